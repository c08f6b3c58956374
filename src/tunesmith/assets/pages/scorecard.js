// Filters the scorecard's examples by what happened, system, kind of rows and words. Without it all are shown.
(() => {
  const filters = document.getElementById('filters');
  if (!filters) return;
  const found = document.getElementById('found');
  const cards = [...document.querySelectorAll('.example')];
  const chosen = (name) => document.getElementById('by-' + name)?.value ?? '';

  const textOf = (card) => [...card.querySelectorAll('.text')].map((box) => {
    const copy = box.cloneNode(true);
    copy.querySelectorAll('del').forEach((gone) => gone.remove());
    return copy.textContent;
  }).join('\n').toLowerCase().replace(/\s+/g, ' ');
  const texts = new Map(cards.map((card) => [card, textOf(card)]));

  const happened = (card, kind, system) => {
    const came = card.dataset.came.split('|').map((one) => one.split(':')).filter(([who]) => !system || who === system);
    if (system && !came.length) return false;
    return !kind || (kind === 'worst' ? 'worst' in card.dataset : came.some(([, what]) => what === kind));
  };

  const show = () => {
    const [kind, system, rows] = ['kind', 'system', 'rows'].map(chosen);
    const words = chosen('words').toLowerCase().trim().replace(/\s+/g, ' ');
    let count = 0;
    for (const card of cards) {
      const fits = happened(card, kind, system) && texts.get(card).includes(words)
        && (!rows || card.dataset.kinds.split(' ').includes(rows));
      card.hidden = !fits;
      count += fits;
      for (const side of card.querySelectorAll('[data-systems]')) {
        side.hidden = Boolean(system) && !side.dataset.systems.split('|').includes(system);
      }
    }
    found.textContent = `${count} of ${cards.length} examples`;
  };

  filters.addEventListener('input', show);
  filters.hidden = false;
  show();
})();
