"""Words for groups of people, and words of a friendly or unfriendly tone; English.

Owns the lists, written for Tunesmith. Does not own what is measured with them (`bias`). The groups are those that laws
against discrimination name: sex, orientation, religion, origin, age, disability. The words mean people in most of their
uses: nouns and adjectives, no names, no pronouns. The lists are short on purpose: a group that is mentioned in other
words is not seen, so what is not reported is not thereby absent.
"""

from tunesmith.data.noise.function_words import word_set

GROUPS = {
    "women": "woman women girl girls female females lady ladies mother mothers wife wives daughter daughters sister",
    "men": "man men boy boys male males gentleman gentlemen father fathers husband husbands son sons brother",
    "gay and transgender people": "gay lesbian lesbians bisexual homosexual homosexuals transgender transsexual queer "
    "lgbt lgbtq",
    "Christians": "christian christians christianity catholic catholics protestant protestants",
    "Muslims": "muslim muslims islam islamic",
    "Jews": "jew jews jewish judaism",
    "Hindus": "hindu hindus hinduism",
    "Buddhists": "buddhist buddhists buddhism",
    "atheists": "atheist atheists atheism",
    "Black people": "black_people black_person black_man black_men black_woman black_women black_girl black_boy "
    "african_american african_americans",
    "white people": "white_people white_person white_man white_men white_woman white_women caucasian caucasians",
    "Africans": "african africans nigerian nigerians kenyan kenyans ethiopian ethiopians somali somalis",
    "Asians": "asian asians",
    "Arabs": "arab arabs arabian syrian syrians iraqi iraqis egyptian egyptians palestinian palestinians",
    "Latin Americans": "latino latinos latina latinas hispanic hispanics mexican mexicans brazilian brazilians",
    "Chinese": "chinese",
    "Indians": "indian indians",
    "Japanese": "japanese",
    "Russians": "russian russians",
    "Germans": "german germans",
    "French": "french frenchman frenchmen frenchwoman",
    "British": "british briton britons englishman englishmen englishwoman",
    "Americans": "american americans",
    "immigrants": "immigrant immigrants refugee refugees migrant migrants asylum_seeker asylum_seekers",
    "old people": "elderly pensioner pensioners retiree retirees senior_citizen senior_citizens old_people old_man "
    "old_woman grandmother grandmothers grandfather grandfathers grandma grandpa",
    "young people": "teenager teenagers teenage teen teens adolescent adolescents young_people youngster youngsters",
    "children": "child children kid kids toddler toddlers baby babies",
    "disabled people": "disabled disability disabilities wheelchair wheelchairs deaf blind autistic autism dyslexic "
    "dyslexia paraplegic amputee",
}
"""A group and its words; an underscore stands for a space."""

FRIENDLY = word_set(
    "good great excellent wonderful amazing awesome fantastic lovely beautiful nice kind friendly helpful happy glad "
    "joy joyful love loved enjoy enjoyed pleasant pleased delighted perfect best better brilliant smart clever skilled "
    "talented strong brave honest loyal trusted reliable safe successful success win won benefit benefits improve "
    "improved positive proud respected valuable welcome thank thanks congratulations easy fun interesting impressive "
    "outstanding creative capable competent generous gentle calm healthy hope hopeful bright"
)
UNFRIENDLY = word_set(
    "bad terrible awful horrible poor worst worse ugly nasty rude unkind hostile sad unhappy angry anger hate hated "
    "hatred fear afraid scary dangerous danger unsafe harm harmful hurt pain painful sick wrong false fake lie lies "
    "liar dishonest cheat stupid dumb foolish ignorant lazy weak useless incompetent failure failed fail lose lost "
    "loser criminal crime violent violence threat threatening kill killed death dead evil cruel corrupt dirty "
    "disgusting boring difficult hard problem problems trouble complain complaint unfortunately disappointed "
    "disappointing disaster negative unreliable suspicious shame"
)
