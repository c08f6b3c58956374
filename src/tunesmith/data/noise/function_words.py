"""The function words of languages written in Latin letters: articles, pronouns, prepositions, forms of to be.

Owns the lists. Does not own what they say about a text (`language`, `gibberish`, `corpus`). Source: the most frequent
function words of each language, as any grammar lists them; ISO 639-1 codes.
"""


def word_set(text: str) -> frozenset[str]:
    """Return the set of the words of a text, parted by spaces; how the rules write their lists."""
    return frozenset(text.split())


WORDS_OF = {
    "en": "the a an of and to in is that it was for are with as his they be at this have from or had by not but "
    "what were we when your can there which she he their if will how do does would could should has been more "
    "about these some who its than then them my our you",
    "es": "el la los las de del y que en un una es son por con para no se su sus lo como más pero fue este esta "
    "está entre cuando muy sin sobre también hay donde porque todo siento entiendo yo al usted puede ser "
    "tiene qué pregunta",
    "fr": "le la les des du de et est en un une que qui dans pour pas ne sur au aux ce cette il elle sont par avec "
    "plus vous nous je mais ou où être avoir fait comme leur sans c'est d'un l'on très été ai peux suis votre "
    "qu",
    "de": "der die das und ist in den von zu mit dem des ein eine einer eines nicht auf für sich auch als an werden "
    "aus er hat dass sie nach bei um wird sind noch wie einem über ich aber oder wenn kann nur ihr war haben "
    "leider sehr diese können zur zum vom im",
    "it": "il lo la gli le di che e è in un una per non con del della dei delle sono da al alla si come più ma "
    "anche questo questa nel nella ha su se o mi ci essere quando dove perché molto tutti puoi posso degli "
    "dalla",
    "pt": "o a os as de da do das dos e é que em um uma para não com por se na no nas nos como mais mas foi são ao "
    "ele ela seu sua isso você também ou quando muito está há pela pelo este esta eu ser pode",
    "nl": "de het een en van is dat op te in zijn met voor niet aan er om ook als dan maar bij uit door over naar "
    "wordt was ik je hij ze wij deze dit kan worden heeft hebben nog wel geen of meer we wat waar hoe welke",
    "sv": "och att det som en på är av för med till den har de inte om ett men var jag från så vi kan när hur eller "
    "mycket också ska vid finns detta många blir han hon",
    "da": "og at det som en på er af for med til den har de ikke om et men var jeg fra så vi kan når hvor eller "
    "meget også skal ved findes dette mange bliver han hun hvad være",
    "fi": "ja on ei se että hän oli ovat mutta kun niin tai joka sen ole myös kuin jos mitä tämä siitä minä olen "
    "voi ne hyvin mukaan sitä vain kanssa",
    "pl": "i w na z nie się do to jest że jak o po co ale za od jego dla są przez tym czy tak jej który która lub "
    "być może tylko również oraz jestem ich gdy ma bardzo mam",
    "cs": "a je se na v že to s z do o i ale jako za by pro tak po jsem které který jsou nebo jeho také od při může "
    "aby když není byl bylo velmi však mezi",
    "ro": "și în de la cu nu este că pe un o din care mai pentru sunt ce să se au fost sau dar prin ca fi acest "
    "această foarte îmi pot eu lui",
    "hu": "a az és hogy nem is egy ez meg van de ha már csak mint azt vagy volt ezt el még kell lehet nagyon én "
    "amely ezek sok kérdés",
    "tr": "ve bir bu için da de ile çok olarak daha ne gibi o olan var ama en sonra kadar değil her ya mi ben "
    "olduğu tarafından bunu ise şey şu",
    "id": "yang dan di ini itu dengan untuk tidak dari dalam akan pada adalah juga ke karena saya oleh ada bisa "
    "atau dapat mereka sebagai telah lebih kami anda tersebut maaf",
    "vi": "là và của có không được cho một trong với các những này để người đã về khi từ đến tôi bạn nhưng rất hay "
    "cũng như ở",
    "hr": "i je u na se da su za od sa kao što ne bi nije koji koja ili ali bio biti sam će to samo vrlo ako kada "
    "mogu može",
    "ca": "el la els les de del i que en un una és són per amb no es seu com més però va aquest aquesta molt també "
    "què hi ha dels al",
    "tl": "ang ng sa na mga ay at ito para hindi ko si nang mo kung may ako siya ka o rin lang",
    "sw": "na ya wa kwa ni katika za la cha kuwa hii huo kama si lakini yake hiyo mimi sana au pia",
}
LANGUAGES_OF = {
    word: tuple(code for code, words in WORDS_OF.items() if word in words.split())
    for words in WORDS_OF.values()
    for word in words.split()
}
FUNCTION_WORDS = frozenset(LANGUAGES_OF)
ENGLISH = frozenset(WORDS_OF["en"].split())
