"""Style and script of the report, beside those of every page (`core.page`). The page reads whole without the script.

Owns how the report looks, its copy buttons and its filter. Does not own what is in it (`page`).
"""

from tunesmith.core.shown import SHOWN_STYLE

STYLE = (
    SHOWN_STYLE
    + """<style>
body{max-width:1120px}h3{font-size:15px;margin:0}h2{scroll-margin-top:12px;border-top:1px solid var(--line);
padding-top:22px}p{margin:6px 0 10px}svg text.ink{fill:var(--ink);font-weight:600}nav.toc{display:flex;flex-wrap:wrap;
gap:6px 16px;margin:14px 0 6px;font-size:14px}nav.toc a{color:var(--accent)}.verdicts{display:grid;
grid-template-columns:repeat(2,minmax(0,1fr));gap:14px;align-items:stretch}.verdict{border:1px solid var(--line);
border-top:4px solid var(--soft);border-radius:10px;background:var(--card);padding:14px 16px;min-width:0}
.verdict.good{border-top-color:var(--good)}.verdict.look{border-top-color:var(--second)}.verdict.poor{
border-top-color:var(--bad)}.verdict{color:var(--ink)}.verdict h3{display:flex;gap:10px;align-items:center}.badge{
font-size:13px;font-weight:600;border:1.5px solid currentColor;border-radius:99px;padding:0 10px;color:var(--soft)}
.badge.good{color:var(--good)}.badge.look{color:var(--look)}.badge.poor{color:var(--bad)}.big{font-size:26px;
font-weight:650;margin:8px 0 0;line-height:1.2}.big small{font-size:14px;font-weight:400;color:var(--soft)}.measures{
display:grid;grid-template-columns:minmax(0,1fr) auto 130px;gap:5px 12px;align-items:center;font-size:13px;
margin:10px 0}.measures .v{font-variant-numeric:tabular-nums;font-weight:600;text-align:right}.measures .limits{
grid-column:1/-1;margin:-6px 0 2px;color:var(--soft);font-size:12px}details{margin:8px 0}summary{
color:var(--ink)}summary .soft{font-weight:400}details.rule{border:1px solid var(--line);border-radius:10px;
padding:0 14px;margin:10px 0}details.rule>summary{padding:10px 0;overflow-wrap:anywhere}details.rule[open]{
padding-bottom:12px}summary h3{display:inline}.count{font-variant-numeric:tabular-nums;font-weight:600;
margin-left:6px}.row{border-top:1px solid var(--line);padding:10px 0 12px}.row .meta{display:flex;flex-wrap:wrap;
gap:2px 14px;font-size:13px;color:var(--soft);overflow-wrap:anywhere}.row .meta b{color:var(--ink)}.row .why{
margin:2px 0 6px;overflow-wrap:anywhere}
.text.a{border-left:3px solid var(--accent)}.row .text+.text{margin-top:6px}.undo{font-size:13px;color:var(--soft);
overflow-wrap:anywhere}code.copy{user-select:all;-webkit-user-select:all;color:var(--ink);background:var(--card);
border:1px solid var(--line);border-radius:6px;padding:1px 6px}button.copy{font:inherit;font-size:12px;
margin-left:6px;color:var(--accent);background:none;border:1px solid var(--line);border-radius:6px;padding:1px 8px;
cursor:pointer}.filter{font:inherit;width:100%;max-width:420px;padding:6px 10px;border:1px solid var(--soft);
border-radius:8px;background:var(--paper);color:var(--ink)}.plots{display:grid;grid-template-columns:repeat(2,
minmax(0,1fr));gap:18px 28px}.plots figure{margin:0;min-width:0}figcaption{font-weight:600;font-size:14px;
margin-bottom:4px}.plots .soft,figure .soft{font-weight:400;font-size:13px}.narrow{display:none}svg.bar{width:100%;
height:10px}.labels td.b{width:38%}.labels th[scope=row]{color:var(--ink);font-weight:400;overflow-wrap:anywhere;
min-width:90px}.labels td,.labels th{padding:4px 8px;font-size:14px}.key span{display:inline-block;width:10px;
height:10px;
border-radius:2px;margin:0 5px 0 12px}.key span:first-child{margin-left:0}.fill{height:10px;border-radius:5px;
background:var(--line);overflow:hidden;margin:2px 0 8px}.fill i{display:block;height:100%;background:var(--accent)}
.hide{display:none}
.plots+h3{margin-top:22px}.facts{margin:0;padding-left:18px}
.verdicts.three{grid-template-columns:repeat(3,minmax(0,1fr))}.verdicts.three .verdict.soft{grid-column:1/-1}
.three .measures{grid-template-columns:minmax(0,1fr) auto 84px}
@media(max-width:900px){.verdicts.three{grid-template-columns:minmax(0,1fr)}}
@media(max-width:760px){.verdicts,.plots{
grid-template-columns:minmax(0,1fr)}.broad{display:none}.narrow{display:block}.measures{
grid-template-columns:minmax(0,1fr) auto 84px}.labels td.b{width:22%}.labels td,.labels th{padding:4px 4px}}
@media print{button.copy,.filter{display:none}}
</style>"""
)

SCRIPT = """(()=>{const d=document,id=d.querySelector('.id').textContent;let home='';if(location.protocol==='file:'){
const p=decodeURIComponent(location.pathname).split('/artifacts/'+id+'/');
if(p.length===2&&/^[\\w.\\/ :~-]+$/.test(p[0]))home=' --home "'+p[0].replace(/^\\/([A-Za-z]:)/,
'$1')+'"'}d.querySelectorAll('code.copy').forEach(c=>{const b=d.createElement('button');b.type='button';
b.className='copy';b.textContent='copy';b.setAttribute('aria-label','copy '+c.textContent);b.onclick=()=>{
const done=()=>{b.textContent='copied';setTimeout(()=>b.textContent='copy',1500)},
pick=()=>getSelection().selectAllChildren(c);
navigator.clipboard?navigator.clipboard.writeText(c.textContent+home).then(done,pick):pick()};c.after(b)});
const spot=d.getElementById('filter');if(spot){const i=d.createElement('input');i.type='search';i.className='filter';
i.placeholder='show only rows with \\u2026';i.setAttribute('aria-label','show only example rows that contain');
spot.append(i);i.oninput=()=>{const w=i.value.toLowerCase();d.querySelectorAll('details.rule').forEach(r=>{let n=0;
r.querySelectorAll('.row').forEach(x=>{const on=x.textContent.toLowerCase().includes(w);x.classList.toggle('hide',
!on);n+=on});r.classList.toggle('hide',!n);if(w&&n)r.open=true})}}})()"""
"""Adds a copy button to each command, with ``--home`` where the page knows it, and a filter of example rows."""
