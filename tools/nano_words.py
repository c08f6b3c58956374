"""Word lists and sentence frames for `nano_text`, all written for nano.

Frames: ``[a|b|c]`` chooses, ``{slot}`` fills from SLOTS, ``{x}`` is the thing. No logic here.
"""

from __future__ import annotations

from dataclasses import dataclass

# fmt: off


@dataclass(frozen=True)
class Thing:
    """Something customers write about: its label, its names, what can be done with it, its topic."""

    label: str
    names: tuple[str, ...]
    kinds: frozenset[str]
    topic: str


@dataclass(frozen=True)
class Act:
    """An action, trouble or question about a thing; ``fits`` are the kinds of things it goes with."""

    label: str
    frames: tuple[str, ...]
    fits: frozenset[str]


def _thing(topic: str, label: str, names: str, kinds: str) -> Thing:
    return Thing(label, tuple(names.split("|")), frozenset(kinds.split()), topic)


def _act(fits: str, label: str, *frames: str) -> Act:
    return Act(label, frames, frozenset(fits.split()))


# kinds: goods (sent, broken, returned) booked (a reservation) plan (runs and renews) money (moves) charge (taken)
# access (lets one in) doc (paper or file) device (works or not) service (is available) detail (can be changed)
THINGS = (
    _thing("banking", "card", "card|bank card|debit card|credit card|plastic", "goods access device issued"),
    _thing("banking", "virtual_card", "virtual card|online card|digital card|disposable card", "access issued device"),
    _thing("banking", "transfer", "transfer|bank transfer|wire|money i sent|payment to a friend|sent money", "money limited"),
    _thing("banking", "top_up", "top up|top-up|deposit|added money|money i put on|reload", "money limited"),
    _thing("banking", "direct_debit", "direct debit|standing order|recurring payment|regular payment", "money charge plan"),
    _thing("banking", "cash_withdrawal", "cash withdrawal|atm withdrawal|cash from the machine|money from the atm", "money charge limited"),
    _thing("banking", "cheque", "cheque|check|paper cheque|cheque i paid in", "money doc"),
    _thing("banking", "exchange_rate", "exchange rate|conversion rate|currency rate|rate for my foreign purchase", "rate"),
    _thing("banking", "pin", "pin|pin code|passcode|secret code|four digit code", "access secret"),
    _thing("banking", "account", "account|bank account|current account|savings account", "access plan opened detail_of"),
    _thing("banking", "statement", "statement|bank statement|account statement|monthly statement", "doc"),
    _thing("banking", "balance", "balance|account balance|available money|funds", "figure"),
    _thing("banking", "fee", "fee|bank fee|extra charge|commission|extra fee|surcharge", "charge rate"),
    _thing("banking", "loan", "loan|credit|personal loan|mortgage|overdraft", "plan opened rate"),
    _thing("banking", "identity_check", "identity check|id check|verification|proof of identity|selfie check", "process"),
    _thing("banking", "contactless", "contactless|tap to pay|contactless payment|phone payments", "device service"),
    _thing("banking", "source_of_funds", "source of funds|where my money comes from|proof of income", "process"),
    _thing("shopping", "order", "order|purchase|basket i ordered|things i ordered|items", "goods booked money"),
    _thing("shopping", "parcel", "parcel|package|delivery|shipment|box|courier", "goods"),
    _thing("shopping", "shoes", "shoes|boots|trainers|sneakers|sandals", "goods sized"),
    _thing("shopping", "jacket", "jacket|coat|dress|shirt|jeans|sweater|trousers|skirt", "goods sized"),
    _thing("shopping", "laptop", "laptop|computer|notebook|tablet|monitor", "goods device"),
    _thing("shopping", "headphones", "headphones|earbuds|speaker|camera|watch", "goods device"),
    _thing("shopping", "washing_machine", "washing machine|fridge|oven|dishwasher|vacuum cleaner|kettle|toaster", "goods device"),
    _thing("shopping", "sofa", "sofa|table|chair|bed|mattress|lamp|shelf|wardrobe", "goods"),
    _thing("shopping", "refund", "refund|money back|reimbursement|credit note", "money process"),
    _thing("shopping", "voucher", "voucher|coupon|discount code|promo code|gift card|promotion", "access money"),
    _thing("shopping", "invoice", "invoice|bill|receipt|vat receipt", "doc charge"),
    _thing("shopping", "address", "address|delivery address|shipping address|home address|postcode", "detail"),
    _thing("shopping", "warranty", "warranty|guarantee|cover|protection plan", "plan doc"),
    _thing("shopping", "loyalty_points", "points|loyalty points|reward points|bonus points|stamps", "figure money"),
    _thing("shopping", "stock", "size|colour|model|product|item", "stocked"),
    _thing("travel", "flight", "flight|plane ticket|flight ticket|air ticket", "booked timed"),
    _thing("travel", "train_ticket", "train ticket|rail ticket|train|rail pass", "booked timed"),
    _thing("travel", "hotel_room", "hotel room|room|hotel|suite|hotel stay", "booked service"),
    _thing("travel", "rental_car", "rental car|hire car|car|van", "booked goods"),
    _thing("travel", "luggage", "luggage|suitcase|bag|baggage|backpack", "goods limited"),
    _thing("travel", "seat", "seat|window seat|aisle seat|seats together", "booked stocked"),
    _thing("travel", "boarding_pass", "boarding pass|e-ticket|check-in|mobile ticket", "doc access"),
    _thing("travel", "visa", "visa|passport|travel document|entry permit", "doc process"),
    _thing("travel", "tour", "tour|trip|excursion|cruise|holiday", "booked timed"),
    _thing("travel", "travel_insurance", "travel insurance|insurance|insurance policy|travel cover", "plan doc"),
    _thing("travel", "taxi", "taxi|cab|ride|airport transfer|driver", "booked timed charge"),
    _thing("telecom", "sim", "sim|sim card|esim|phone chip", "goods device access issued"),
    _thing("telecom", "phone", "phone|mobile|handset|smartphone", "goods device"),
    _thing("telecom", "phone_number", "number|phone number|mobile number", "detail"),
    _thing("telecom", "internet", "internet|broadband|wifi|connection|wi-fi|network", "device service plan"),
    _thing("telecom", "router", "router|modem|wifi box|hub", "goods device"),
    _thing("telecom", "data_plan", "data plan|contract|mobile plan|tariff|phone contract|bundle", "plan limited"),
    _thing("telecom", "roaming", "roaming|data abroad|calls abroad|using my phone abroad", "service charge rate"),
    _thing("telecom", "voicemail", "voicemail|answering machine|missed call service|text messages", "device service"),
    _thing("telecom", "phone_bill", "phone bill|bill|monthly bill|last bill", "charge doc"),
    _thing("telecom", "technician", "technician|engineer|repair visit|installation appointment", "booked timed"),
    _thing("software", "password", "password|login|sign in details|log in code", "access secret"),
    _thing("software", "app", "app|application|mobile app|program|software", "device"),
    _thing("software", "subscription", "subscription|membership|premium plan|licence|plan", "plan charge"),
    _thing("software", "free_trial", "free trial|trial|trial period|test version", "plan"),
    _thing("software", "website", "website|site|page|web page|portal|online shop", "device"),
    _thing("software", "file_upload", "upload|file|photo|document|attachment", "device doc"),
    _thing("software", "backup", "backup|saved data|sync|cloud storage", "device limited"),
    _thing("software", "notifications", "notifications|alerts|emails|newsletters|push messages", "setting"),
    _thing("software", "email_address", "email|email address|e-mail|mail address", "detail"),
    _thing("software", "user_name", "name|user name|surname|profile name|married name", "detail"),
    _thing("software", "two_factor_code", "verification code|two factor code|security code|one time code|text code", "access secret"),
    _thing("software", "printer", "printer|scanner|keyboard|mouse|screen", "device goods"),
    _thing("software", "video_call", "video call|meeting|call|microphone|sound", "device"),
    _thing("software", "language", "language|interface language|currency|time zone|dark mode", "setting"),
    _thing("restaurant", "table", "table|reservation|booking|dinner reservation", "booked timed"),
    _thing("restaurant", "menu", "menu|lunch menu|wine list|vegetarian dishes|children's menu", "stocked doc"),
    _thing("restaurant", "takeaway", "takeaway|food|pizza|meal|dinner|lunch", "goods timed"),
    _thing("restaurant", "private_room", "private room|party room|terrace|garden table", "booked service"),
    _thing("restaurant", "restaurant_bill", "bill|cheque for dinner|restaurant bill|service charge", "charge"),
    _thing("health", "appointment", "appointment|doctor's visit|dentist appointment|check-up", "booked timed"),
    _thing("health", "prescription", "prescription|medicine|pills|tablets", "doc goods"),
    _thing("health", "test_result", "test results|blood test|lab results|x-ray", "doc process"),
    _thing("home", "electricity", "electricity|power|gas|heating|hot water", "device service plan"),
    _thing("home", "meter_reading", "meter reading|meter|smart meter|usage", "figure detail"),
    _thing("home", "rent", "rent|rent payment|deposit for the flat|service charge", "money charge"),
    _thing("home", "cleaner", "cleaner|plumber|electrician|gardener|window cleaning", "booked timed service"),
    _thing("home", "key", "key|keys|door key|key card|fob", "goods access issued"),
    _thing("work", "salary", "salary|pay|wages|paycheck|payslip", "money doc"),
    _thing("work", "holiday_request", "holiday request|leave|day off|vacation days", "booked process"),
    _thing("work", "parking", "parking|parking space|parking permit|garage", "booked access charge"),
    _thing("work", "course", "course|class|lesson|exam|workshop|training", "booked timed plan"),
    _thing("work", "library_book", "book|library book|novel|magazine", "goods stocked"),
    _thing("leisure", "gym_membership", "gym membership|gym|fitness class|swimming pass", "plan access"),
    _thing("leisure", "concert_ticket", "concert ticket|cinema ticket|theatre ticket|match ticket|show", "booked timed money"),
    _thing("leisure", "streaming", "streaming|movie|video|music|series", "device plan service"),
    _thing("leisure", "game", "game|video game|online game|level", "device goods"),
)

ACTS = (
    _act("goods booked plan", "cancel_{x}",
         "[i want to|i'd like to|please|i need to|can i|could you|how do i|how can i|is it possible to] cancel [my|the|this|that] {x}",
         "[i changed my mind|i no longer need it|plans changed|my plans have changed], [please cancel|cancel|can you stop|call off] [my|the] {x}",
         "[i do not want|i don't need|i won't be needing|we no longer want] [the|my|this] {x} [any more|anymore|after all|now]",
         "[get rid of|call off|stop|drop|undo|scrap] [my|the] {x} [please|now|right away|as soon as possible]",
         "what [happens|do i have to do|must i do] if i [cancel|want to cancel|call off] [my|the] {x}"),
    _act("booked timed", "change_{x}",
         "[can i|could i|i want to|i need to|how do i|is it possible to|would it be possible to] [change|move|shift|reschedule|rebook|modify|amend] [my|the|our] {x}",
         "[something came up|i can't make it|the time does not suit me|we will be late], [can we|could you] [move|change|postpone] [my|the] {x} [to {date}|to {time}|to another day|]",
         "[my|our] {x} [should be|needs to be|has to be] [{date}|{time}|a day later|earlier|later] [instead|]",
         "is there [another|a different|a later|an earlier] [time|day|date] for [my|the] {x}"),
    _act("booked", "book_{x}",
         "[i would like to|i want to|can i|i'd like to|we want to|please] [book|reserve|get|arrange] [a|one|your] {x} [for {people}|for {date}|{date} at {time}|]",
         "[do you have|is there|have you got] [a|any] {x} [free|available|left] [{date}|at {time}|for {people}|tonight|next week]",
         "[looking for|need|we need|i need] [a|one] {x} [for {date}|for {people}|near {city}|in {city}]"),
    _act("goods", "track_{x}",
         "where is my {x} [now|at the moment|right now|]", "[can you|could you|how do i|how can i|i want to] [track|trace|follow|locate] my {x}",
         "[what is|what's|tell me] the [status|whereabouts|location] of my {x}",
         "is my {x} [on its way|already sent|on the way|shipped yet|out for delivery]",
         "[i am|i'm] [still|] [waiting for|wondering where] my {x} [is|has got to|], [any news|any update|do you know where it is]"),
    _act("goods issued", "{x}_not_arrived",
         "[my|the] {x} [has not|hasn't|has never|did not|didn't|still has not] [arrived|come|turned up|reached me|been delivered] [yet|so far|]",
         "[i'm|i am|we are] still waiting for [my|the] {x}", "[i never|i haven't|i have not|i still haven't] [got|received|seen] [my|the] {x}",
         "[it has been|it's been|it is already] {duration} and [still no|there is no sign of my|no] {x}",
         "[what should i do|what can i do|who do i ask] if [my|the] {x} [never|doesn't|does not] [come|arrive|show up]",
         "[my|the] {x} [is late|is overdue|should have been here {ago}|was supposed to come {ago}]",
         "[it says|they say|tracking says] my {x} was delivered but [i don't have it|nothing is here|i got nothing]"),
    _act("goods issued booked service", "{x}_delivery_time",
         "how [long|many days|much time] [does|will|would] it take [for|until] [my|the|a] {x} [to arrive|to come|arrives|is here|to get here]",
         "when [will|does|should|can i expect] my {x} [arrive|come|be here|be delivered|]", "[how fast|how soon|how quickly] can [i get|you send|you deliver] [a|the|my] {x}",
         "[what is|what's] the [delivery|waiting|usual] time for [a|my|the] {x}", "can [i get|you send] [a|the|my] {x} [by {date}|before {date}|in a hurry|express]",
         "do you [deliver|send|ship] [a|the] {x} to {country}"),
    _act("goods device", "{x}_damaged",
         "[my|the] {x} [arrived|came|is|was] [broken|damaged|cracked|scratched|in pieces|dented|torn]",
         "[there is|i found|i see] [a crack|a scratch|a hole|damage|a big dent] [on|in] [my|the] {x}",
         "[i opened it and|when i unpacked it,] the {x} was [broken|smashed|damaged]", "[i dropped|i broke|i bent|my dog chewed] my {x} [by accident|]"),
    _act("device", "{x}_not_working",
         "[my|the] {x} [does not|doesn't|won't|will not|stopped|is not] [work|working|start|function|respond|turn on]",
         "why [is|does] my {x} [not working|never work|keep failing|not respond]", "[something is wrong|there is a problem|i have an issue|i'm having trouble|got problems] with [my|the] {x}",
         "[i can't|i cannot|i'm unable to|i am not able to] [use|get|make] [my|the] {x} [to work|work|]",
         "[my|the] {x} [keeps|is always] [failing|crashing|freezing|stopping|giving an error]", "{x} [error|failure|fault|broken|down|dead], [please help|what now|help]",
         "[my|the] {x} [worked|was fine] [yesterday|before|until {ago}] [but|and] [now|today] [it does not|it won't]"),
    _act("goods", "return_{x}",
         "[i want to|can i|how do i|how can i|i'd like to|i would like to] [return|send back|give back|bring back] [the|my|this] {x}",
         "[what is|what's] [the|your] return [policy|address|procedure] for [a|the|my] {x}", "[i don't like|i am not happy with|i do not want] [the|this] {x}, [can i|how do i|where do i] [return it|send it back|get rid of it]",
         "how long do i have to [return|send back] [the|a|my] {x}"),
    _act("goods sized", "wrong_{x}",
         "[i got|you sent me|i received|this is] the wrong {x}", "this is not the {x} [i ordered|i wanted|i asked for|from the picture]",
         "the {x} [is|i got is|you sent is] [not the one|a different one|completely different] [i ordered|from what i ordered|]"),
    _act("sized", "{x}_size", "[the|my] {x} [is|are] too [small|big|tight|large|short|long]", "[do these|does the|which size of] {x} [fit|run small|should i take|suits me]",
         "can i [swap|exchange] [the|my] {x} for [another size|a bigger size|a smaller one]"),
    _act("goods access issued", "lost_{x}",
         "[i lost|i've lost|i have lost|i can't find|i misplaced|i left behind] my {x} [somewhere|on the bus|{ago}|in {city}|]",
         "my {x} [is gone|is missing|has disappeared|was stolen|got stolen|has been taken]", "[someone|somebody|a thief] [stole|took|has taken] my {x}",
         "[what do i do|what should i do|who do i call|help] [now that|if|because] my {x} is [lost|missing|stolen|gone]"),
    _act("access issued device plan", "activate_{x}",
         "[how do i|how can i|i want to|i need to|can you|where do i] [activate|switch on|enable|start using|set up|turn on] [my|the|this] [new|] {x}",
         "[my|the] new {x} [is here|came|just arrived], [how do i|what must i do to|where do i] [activate|start|use] it", "{x} activation [does not work|failed|help|steps]",
         "[is there|do i need] [anything|something] to do before [using|i use] my [new|] {x}"),
    _act("access secret", "forgot_{x}",
         "[i forgot|i've forgotten|i don't remember|i can't remember|i do not know] my {x}", "[how do i|can i|i need to|i want to] [reset|recover|retrieve|find out] my {x}",
         "my {x} is [wrong|not accepted|invalid|refused]", "[what is|where do i see|where can i find] my {x}"),
    _act("secret detail setting", "change_{x}",
         "[how do i|can i|i want to|i need to|where do i|i would like to|please] [change|update|edit|set|modify|correct] my {x}",
         "[my|the] {x} [has changed|is new|is out of date|is not right any more], [please update it|how do i change it|where do i tell you]",
         "[i moved|i got married|i have a new one|it's wrong], [i must change|please change|so change] my {x}", "[can i|may i|is it possible to] choose [a new|another|my own] {x}"),
    _act("access", "{x}_blocked",
         "my {x} [is|was|has been|got] [blocked|locked|frozen|suspended|disabled|rejected]", "why [is|was|did you] [my {x} blocked|block my {x}|my {x} locked|my {x} not accepted]",
         "[i typed it wrong|i tried] [three times|too often|too many times] and now [my|the] {x} is [blocked|locked]", "[unblock|unlock|unfreeze] my {x} [please|]"),
    _act("money", "{x}_pending",
         "[my|the] {x} [is|has been] [pending|still pending|stuck|on hold|waiting] [for {duration}|since {ago}|]", "why is [my|the] {x} [still|] [pending|not complete|not finished|in process]",
         "[my|the] {x} [has not|hasn't] [gone through|cleared|been completed|been processed] [yet|]", "[the|my] {x} [still shows|says|is marked] as [pending|in progress|waiting]"),
    _act("money", "{x}_failed",
         "[my|the] {x} [failed|was declined|did not go through|was refused|was rejected|got rejected|did not work]", "why [did|was] my {x} [fail|declined|refused|not accepted|rejected]",
         "[i tried|i have tried|we tried] [to make|making|] [a|the] {x} [but|and] it [failed|would not go through|was declined|didn't work]"),
    _act("money", "{x}_not_received",
         "[the|my] {x} [has not|hasn't|did not|didn't] [reached|shown up in|arrived in|appeared in|been added to] [my account|the other account|my friend's account|the account]",
         "[where is|where has|what happened to] my {x} [gone|]", "[i can't see|i don't see|i cannot find|there is no trace of] [my|the] {x} [in my account|in the app|anywhere|]",
         "[i made|i did|there was] [a|the] {x} {ago} [and|but] [the money is not there|nothing arrived|my balance is the same|it isn't there]",
         "[the person|my friend|the seller|my landlord] [did not get|hasn't got|says they never received] [my|the] {x}"),
    _act("money", "{x}_cancel",
         "[can i|how do i|i need to|please|i want to] [stop|reverse|revert|recall|take back|undo] [my|a|the|this] {x}", "[i made a mistake|i used the wrong details|i sent it to the wrong person] [with|in] my {x}, [can you stop it|get it back|undo it]"),
    _act("money limited", "{x}_limit",
         "[is there|what is|what's|do you have] [a|the|any] [limit|maximum|upper limit|cap] [for|on|to] [a|my|the|each] {x}",
         "how [much|many|often] [can i|am i allowed to|may i] {x} [a day|per month|each week|at most|]", "[raise|increase|lift|change] my {x} limit [please|]", "[i have reached|i am over|i hit] my {x} limit"),
    _act("money charge", "{x}_charged_twice",
         "[i was charged|i have been charged|you charged me|i paid] [twice|two times|double] for [my|the|one|the same] {x}", "[there are|i see] two [charges|payments|entries] for [the same|my|one] {x}",
         "[my|the] {x} [was|has been] [taken|charged|counted|billed] [twice|two times|double]", "[duplicate|double|repeated] {x} [on my statement|in my account|showing|]"),
    _act("money charge", "{x}_not_recognised",
         "[there is|i see|i found|i noticed] [a|one|some] {x} [i don't recognise|i didn't make|i do not know|that is not mine|i never made]", "[i did not|i never|i don't remember] [make|making|authorise|approve] [this|that|a] {x}",
         "[who|what] [is|made] this {x} [on my account|in my name|]", "[someone|a stranger|somebody else] [made|did|used] [a|this] {x} without [my permission|asking me|me knowing]"),
    _act("money charge", "{x}_wrong_amount",
         "[the|my] {x} [is|was|shows] [the wrong amount|too much|too high|too low|less than it should be|more than expected|incorrect]", "[i was charged|you took|they took] {amount} [too much|more|extra] for [my|the] {x}",
         "why is [my|the] {x} [so high|higher than before|more than usual|not {amount}|different from what i expected]", "[i asked for|it should be|i expected] {amount} but [the|my] {x} [was|is|shows] {amount}"),
    _act("charge service", "{x}_explain_charge",
         "why [was i|am i|have i been|did you] [charged|charge me|billed|paying] [for|a|] {x}", "[what is|what's|explain] [this|the|that] {x} [for|on my bill|i paid]", "[i don't understand|please explain|can you explain] [the|my|this] {x}",
         "[nobody told me|i was not told|i did not know] [about|there was] [a|the|any] {x}"),
    _act("money rate booked plan goods issued", "{x}_cost",
         "[how much|what] [does|do|will|would] [a|the|your] {x} cost [me|]", "[what is|what's|tell me] the [price|cost|fee] [of|for] [a|the|your] {x}", "[is|are] [the|a] {x} free [of charge|or do i have to pay|]",
         "[do i have to|must i|do you make me] pay [for|extra for|a fee for] [a|the|my] {x}", "[are there|any|is there an] [fees|charges|extra costs|charge] for [a|the|my] {x}"),
    _act("rate", "{x}_how_set", "[how|where] [is|do you get|do you set|do you take] [the|your] {x} [calculated|worked out|from|decided|]", "[what|which] {x} [do you use|applies|is used|will i get]", "is [the|your] {x} [good|fair|fixed|the official one]"),
    _act("rate", "{x}_wrong", "[the|your] {x} [was|is|you used is|applied was] [wrong|bad|not right|worse than it should be|incorrect]", "[i got|you gave me] [a bad|the wrong|a terrible] {x} [when i was abroad|for my purchase|]"),
    _act("doc", "get_{x}_copy",
         "[can i get|i need|please send me|i would like|could you send] [a copy of|] [my|the] {x} [by email|as a pdf|again|on paper|]", "[where|how] [do i|can i] [find|download|see|print|get] [my|the] {x}", "[i lost|i deleted|i can't open] [my|the] {x}, [can you resend it|send it again]"),
    _act("doc", "{x}_mistake", "[there is|i found|i see] [a mistake|an error|a typo|something wrong] [in|on] [my|the] {x}", "[my|the] {x} [has|shows|lists] the wrong [name|date|amount|address]"),
    _act("plan", "renew_{x}", "[i want to|how do i|can i|please] [renew|extend|prolong|keep] my {x}", "my {x} [expires|runs out|ends|is about to expire] [soon|{date}|next week|]", "when does my {x} [end|expire|run out|renew]"),
    _act("plan", "upgrade_{x}", "[i want to|can i|how do i|i'd like to] [upgrade|switch|move|change] [my {x}|to a bigger {x}|to a better {x}|my {x} to something bigger]", "[which|what] {x} [is better|do you recommend|should i take|is best for me]", "[is there|do you have] a [better|cheaper|bigger|family] {x}"),
    _act("plan", "pause_{x}", "[can i|i want to|please|how do i] [pause|freeze|suspend|hold] my {x} [for {duration}|for a while|]"),
    _act("opened", "open_{x}", "[how do i|can i|i want to|i'd like to] [open|get|apply for|start] [an|a|another|a second] {x}", "[what do i need|am i able|who can apply|am i allowed] to [open|get|have] [an|a] {x}", "[can my child|can my partner|can a student|can foreigners] [have|open|get] [an|a] {x}"),
    _act("opened plan", "close_{x}", "[i want to|please|how do i|can you] [close|terminate|delete|end|shut down] my {x}", "[i am leaving|i found something better|i don't like your service], [close|end|delete] my {x}"),
    _act("issued", "order_{x}", "[can i|i want to|how do i|i need to|where can i] [order|get|request|have] [a|another|a new|a second|a replacement|an extra] {x}", "[send me|i need|please give me] [a new|another|a second|a replacement] {x}"),
    _act("issued access", "{x}_expired", "my {x} [expires|is expiring|has expired|is out of date|runs out] [soon|{date}|]", "what [happens|do i do] when my {x} expires"),
    _act("issued device access service", "{x}_where_accepted", "where [can i|may i|am i able to] use my {x}", "[is|will] my {x} [accepted|valid|work|good] [abroad|everywhere|in {country}|in shops|online]", "[which|what] [shops|countries|places] [take|accept] [the|my] {x}"),
    _act("process", "{x}_why_needed", "why do [i need|you need|you ask for|i have to do] [the|a|an] {x}", "[is|are] [the|a] {x} [really|] [necessary|needed|required]", "what do you [need|do] [my|the] {x} for"),
    _act("process", "{x}_how_long", "how long [does|will] [the|my|a] {x} take", "when [is|will] [my|the] {x} [be ready|be done|be finished|complete]", "[my|the] {x} [takes|is taking] [too long|ages|forever]"),
    _act("process", "{x}_failed", "[my|the] {x} [failed|was not accepted|did not succeed|was turned down|was refused]", "[i can't|i cannot|i'm not able to] [complete|finish|pass|do] the {x}"),
    _act("process", "start_{x}", "[how do i|where do i|i want to|i need to] [start|do|request|ask for|get] [the|a|my] {x}", "[what|which documents] do i need for [the|a|my] {x}"),
    _act("figure", "check_{x}", "[what is|what's|how much is|where can i see|how do i check] my {x}", "[show|tell|give] me my {x} [please|]"),
    _act("figure", "{x}_wrong", "my {x} [is|seems|looks] [wrong|incorrect|too low|not right|different]", "my {x} [has not|hasn't|did not] [changed|updated|gone up|been updated] [after {x}|since {ago}|]"),
    _act("setting", "turn_off_{x}", "[stop|turn off|disable|switch off|no more] [the|these|your|] {x} [please|]", "[how do i|i want to] [turn off|stop getting|mute|unsubscribe from] [the|your|] {x}", "[i get|there are] too many {x}"),
    _act("stocked", "{x}_available", "[is|are] [the|your|this] {x} [in stock|available|still there|there today]", "[do you|will you] [have|get|stock] [the|a|this|another] {x} [again|in blue|in large|for {people}|]", "[can i see|what is on|tell me about|i would like to see] the {x}"),
    _act("timed", "{x}_late", "[my|the|our] {x} [is|was|will be] [late|delayed|overdue|behind time]", "[i will|we will|we are going to|i'm going to] [be late for|miss] [my|the|our] {x}", "[we have waited|i've been waiting] {duration} for [the|my] {x}"),
    _act("timed", "{x}_what_time", "[what time|when] [is|does] [my|the|our] {x} [start|begin|leave|]", "[at what time|when] [should|must] i [be there|come|arrive] for [my|the] {x}"),
    _act("service", "{x}_offered", "[do you|does your company] [offer|have|provide] [a|] {x} [in {city}|in {country}|here|]", "is [a|the|] {x} [included|part of the price|available here|possible]"),
    _act("service device", "{x}_slow", "[my|the] {x} [is|has been|gets] [very|so|too|really] [slow|weak|bad|poor] [today|lately|since {ago}|]", "why is [my|the] {x} so [slow|bad|weak|poor]"),
    _act("goods booked timed", "complain_{x}", "[i am|i'm|we are|we were] [very|really|so] [unhappy|disappointed|annoyed|angry|upset] [with|about] [the|my|your] {x}", "[the|your|my] {x} [was|is] [terrible|awful|a disgrace|cold|dirty|not as described|bad quality]", "[i want to|let me|where do i] [complain|make a complaint] about [the|my] {x}"),
    _act("goods booked service", "praise_{x}", "[i love|we loved|i am very happy with|many thanks for] [the|my|our|your] {x}", "[the|my|our] {x} [was|is] [great|perfect|lovely|wonderful|better than expected|excellent]"),
)

SINGLE = (
    ("general", "greeting", ("[hi|hello|hey|good morning|good evening] [there|everyone|]", "[hello|hi], [how are you|anybody there|is this the help desk]")),
    ("general", "goodbye", ("[bye|goodbye|see you|that's all], [thanks|thank you|have a nice day|talk soon]", "[i'm done|nothing else|that was all] for now")),
    ("general", "thank_you", ("[thanks|thank you|many thanks|cheers] [so much|a lot|for your help|for that|]", "[you were|that was] [very|really|so] [helpful|kind|quick]")),
    ("general", "talk_to_person", ("[can i|i want to|let me|please let me] [speak|talk|chat] [to|with] [a person|a human|an agent|someone real|your manager]", "[is there|do you have] a [phone number|human|real person] i can [call|talk to]", "[stop|no more] [robots|bots|automatic answers], [give me a person|a human please]")),
    ("general", "opening_hours", ("[when|what time|at what time] do you [open|close]", "[are you|is the shop|is your office] open [on {day}|today|on holidays|at the weekend|late]", "[what are|tell me] your [opening hours|hours|business hours]")),
    ("general", "find_branch", ("where [is|are] [the nearest|your closest|a] [shop|branch|office|store|atm|cash machine]", "[is there|do you have] a [shop|branch|office|cash machine] [near me|in {city}|close to {city}]", "[what is|tell me] your address")),
    ("general", "are_you_a_bot", ("are you [a bot|a robot|human|a real person|a machine]", "am i [talking to|chatting with] a [computer|human|robot]")),
    ("general", "speak_other_language", ("do you [speak|understand|know] [spanish|french|german|swahili|italian|arabic|chinese]", "can [we|you] [talk|chat|write] in [spanish|french|german|polish|hindi]")),
    ("general", "give_feedback", ("[i have|here is] [a suggestion|an idea|some feedback] for you", "[you should|why don't you|please] [add|offer|build] [a better search|more colours|longer hours|a map]")),
    ("general", "report_fraud", ("[i think|i believe|i'm afraid] [i was|i have been] [scammed|cheated|hacked|tricked]", "[someone|a caller|an email] [asked for|wanted|has] my [bank details|password|card number]", "[i got|there is] a [strange|suspicious|fake] [email|call|message] [from you|in your name|]")),
    ("general", "job_question", ("[are you|is your company] hiring", "[how do i|where can i] [apply for a job|send my cv|work for you]", "[do you have|any] [jobs|vacancies|open positions] [in {city}|for students|]")),
    ("general", "delete_my_data", ("[delete|erase|remove] [all|] my [data|personal data|details|information]", "what [data|information] do you [keep|have|store] about me", "[who|which companies] can see my [data|details]")),
    ("general", "weather", ("[what is|how is|what's] the weather [like|] [today|tomorrow|in {city}|on {day}]", "[will it|is it going to] [rain|snow|be sunny] [today|tomorrow|on {day}]")),
    ("general", "tell_joke", ("[tell me|do you know] a [joke|funny story]", "make me laugh")),
    ("general", "set_alarm", ("[set|make] an alarm [for|at] {time}", "wake me [up|] at {time} [tomorrow|on {day}|]", "[remind me|don't let me forget] to [call mum|buy milk|pay the rent|water the plants] [at {time}|on {day}]")),
    ("general", "play_music", ("[play|put on|start] [some|a little|] [jazz|rock|music|piano music|my favourite song|the radio]", "[next|another] song please")),
    ("general", "translate", ("how do you say [hello|thank you|cheese|good night|where is the station] in [french|spanish|german|italian]", "[translate|what is the word for] [water|bread|train|love] [in|into] [french|italian|japanese]")),
    ("general", "recipe_help", ("how [do i|long do i] [cook|boil|bake|roast] [rice|eggs|a chicken|potatoes|bread]", "what can i cook with [eggs|rice|tomatoes|leftover bread]")),
    ("general", "directions", ("how do i get [to|from here to] {city}", "[which|what] [bus|train|road] goes to {city}", "[is it|how] far [to|is it to] [the station|the airport|{city}]")),
)

SLOTS: dict[str, list[str]] = {
    "date": ["[monday|tuesday|wednesday|thursday|friday|saturday|sunday]", "[next|this] [monday|tuesday|wednesday|thursday|friday|saturday|sunday]", "{month} {daynumber}", "{daynumber} {month}", "the {ordinal} of {month}", "[today|tomorrow|tonight|the day after tomorrow|next week|this weekend]", "{ordinal} of {month}", "{digits2}/{digits2}"],
    "day": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    "month": ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"],
    "daynumber": [str(n) for n in range(1, 32)],
    "digits2": [f"{n:02d}" for n in range(1, 29)],
    "ordinal": ["first", "second", "third", "fourth", "fifth", "tenth", "twelfth", "1st", "2nd", "3rd", "4th", "7th", "9th", "11th", "14th", "18th", "21st", "22nd", "25th", "30th"],
    "time": ["{hour} [am|pm]", "{hour}[am|pm]", "{hour}:{minute}", "{hour}:{minute} [am|pm|in the evening]", "[half past|quarter to|quarter past] {hourword}", "[noon|midday|midnight]", "{hourword} o'clock", "{hourword} in the [morning|evening|afternoon]", "{hour}.{minute}"],
    "hour": [str(n) for n in range(1, 13)],
    "minute": ["00", "15", "30", "45", "10", "20", "40", "50", "05"],
    "hourword": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
    "count": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "2", "3", "4", "5", "6", "7", "8", "9", "10", "12", "15", "20"],
    "people": ["{count}", "{count} people", "{count} [persons|guests|of us|adults]", "{count} adults and {count} [kids|children]", "a party of {count}", "[me and my wife|my husband and me|a couple]", "{count} [men|women|friends]"],
    "first_name": ["Anna", "Ben", "Carla", "David", "Elif", "Farah", "George", "Hana", "Ivan", "Julia", "Kofi", "Lena", "Marco", "Nina", "Omar", "Paula", "Quinn", "Rosa", "Sam", "Tara", "Uma", "Victor", "Wendy", "Yusuf", "Zoe", "Amara", "Chen", "Priya", "Lars", "Sofia", "Mateo", "Ingrid", "Tom", "Grace", "Mary", "Peter", "Alice", "Noah", "Olivia", "Ravi"],
    "last_name": ["Adams", "Baker", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Hughes", "Ito", "Jansen", "Kaya", "Lopez", "Moreau", "Novak", "Okafor", "Patel", "Quist", "Rossi", "Silva", "Tanaka", "Usman", "Vargas", "Walker", "Xu", "Young", "Zhang", "Mwangi", "Larsen", "Murphy", "Kowalski", "Singh", "Brown", "Wright", "Hill", "Green", "Cooper"],
    "city": ["[london|paris|berlin|rome|madrid|vienna|lisbon|oslo|cairo|nairobi|lagos|delhi|tokyo|sydney|boston|chicago|toronto|dublin|athens|prague|leeds|york|bristol|geneva|milan]"],
    "country": ["[france|spain|germany|italy|portugal|greece|norway|egypt|kenya|india|japan|canada|ireland|poland|turkey|brazil|mexico|australia|the us|the uk]"],
    "amount": ["{digits2} [pounds|dollars|euros]", "[$|£|€]{digits2}", "{digits2}.{digits2} [euros|dollars]", "a hundred [pounds|dollars]", "[10|20|50|100|200|500]"],
    "duration": ["[two|three|four|ten|a few] [days|weeks|hours]", "[a|one] [week|month|day]", "[an hour|half an hour|ages|quite a while|over a week|several days]"],
    "ago": ["[yesterday|last week|this morning|last month|two days ago|a week ago|on {day}|an hour ago|last night]"],
    "order_number": ["[A|B|C|K|X|][-|]{digits2}{digits2}{digits2}", "{digits2}{digits2}{digits2}", "#{digits2}{digits2}"],
    "email": ["{mail_name}@[mail|post|example|inbox].[com|org|net]"],
    "mail_name": ["[anna|ben|carla|omar|lena|sam|rosa|tom].[adams|baker|costa|ito|patel|rossi]", "[info|office|hello|me]{digits2}"],
    "phone_no": ["0{digits2} {digits2} {digits2} {digits2}", "+{digits2} {digits2}{digits2}{digits2}", "{digits2}{digits2}-{digits2}{digits2}"],
    "colour": ["[red|blue|green|black|white|grey|brown|yellow|pink|purple|orange|silver]"],
    "product": ["[shirt|jacket|lamp|sofa|kettle|phone|laptop|bag|watch|chair|desk|mirror|carpet|bicycle|tent|camera|printer|toaster|umbrella|hat]"],
    "animal": ["[cat|dog|horse|cow|goat|sheep|lion|fox|bear|mouse|rabbit|duck|hen|frog|owl|bee|fish|whale|wolf|pig]"],
    "fruit": ["[apple|pear|plum|cherry|lemon|orange|banana|mango|grape|peach|melon|fig|date]"],
    "food": ["[pizza|pasta|soup|salad|rice|curry|sushi|steak|noodles|tacos|bread|cake|ice cream]"],
}

SPAN_SLOTS = {"date": "date", "time": "time", "people": "people", "first_name": "first_name", "last_name": "last_name", "city": "city", "amount": "amount", "order_number": "order_number", "email": "email", "phone": "phone_no", "colour": "colour", "product": "product", "food": "food"}

# <slot> is a span to extract
SPAN_FRAMES = (
    "[i'd like|i need|can i book|we want|please book|reserve] a table for <people> [on|] <date> at <time>",
    "[i'd like|i need|can i book|we want|please book] a table for <people> <date>", "[table|booking|dinner] for <people> at <time> [please|]",
    "[a table|a reservation|dinner|lunch] [on|for] <date> at <time> for <people>", "we are <people>", "<people> please", "there will be <people>", "<people>", "<date>", "<time>", "at <time>", "on <date>", "<date> at <time>", "<time> on <date>",
    "[around|about|by|before|after|make it] <time> [please|]", "[can we|could we|we would like to] come [at|around] <time> on <date>", "my name is <first_name> <last_name>", "it's under <last_name>", "<first_name> <last_name>", "[the name is|book it for|under the name] <first_name> <last_name>",
    "[hi|hello], [i'm|this is|it's] <first_name> <last_name>, [i would like|can i have|i need] a table for <people> at <time>", "<first_name>", "first name <first_name>, last name <last_name>",
    "[is|do you have] [a table|something|anything] [free|available] for <people> [at|around] <time> [on|] <date>", "we'll be <people> and arrive at <time>", "[change|move] my [booking|reservation] from <date> to another day",
    "[send|ship|deliver] order <order_number> to <city> by <date>", "order <order_number> [has not arrived|is late|came damaged]", "i paid <amount> for a <colour> <product>", "i want to return the <colour> <product>, order number <order_number>", "i bought a <product> on <date> for <amount>",
    "my email is <email>", "[you can reach me at|call me on|my phone is|ring me at] <phone>", "[send|mail] it to <email> please, thanks, <first_name>", "a flight to <city> on <date> for <people>", "[train|bus|flight] to <city> at <time>", "two nights in <city> from <date>",
    "i would like <food> for <people>", "[order|get me|bring] <food> at <time>", "do you have the <product> in <colour>", "transfer <amount> to <first_name> <last_name>", "<first_name> sent me <amount> on <date>", "pay <amount> on <date>", "[no|yes], that is [fine|right|all]", "[is there parking|do you allow dogs|is it noisy|do you have outdoor seating]?", "[ok|sure|thanks|that works]",
    "[my|our] [appointment|meeting|visit] is on <date> at <time>", "[please call|tell] <first_name> <last_name> [at|on] <phone>", "we need a room in <city> for <people> on <date>",
)

OPENINGS = ("[hi|hello|hey|good morning|good afternoon|dear team|hi there],", "[please help|help me|i need help|i have a question|quick question|sorry to bother you][.|:]", "[i am a new customer|i have been a customer for years|i was looking at my account|i was in your shop {ago}|i am abroad|i am travelling]. ", "[ok|so|well|um], ", "[it is urgent|this is urgent|i am worried].")
CLOSINGS = ("[thanks|thank you|many thanks|cheers|thanks in advance|please help|please advise]", "[what should i do|what can i do|can you help|can you fix this|please look into it|can you check]", "[i need it soon|it is urgent|i am in a hurry|i have no time]", "[i have tried everything|i already called|nobody answers the phone|this is the second time]", "[regards|best|sincerely], {first_name}")

CLASSIFY_PROMPTS = ("[Classify|Label|Sort|Tag|Categorise] the [customer's|user's|] message.", "[What does the customer want|What is this about|Which topic is this|Give the intent|Name the intent]?", "[Answer|Reply] with one label.", "You [sort|route] [customer mail|tickets|support messages].")
SAME_QUESTIONS = ("Do both messages want the same?", "Same topic? yes or no", "Are these two the same intent?", "Same meaning? Answer yes or no.")
WRITE_PROMPTS = ("Write a [customer|] message about {label}", "[Example|Give an example] of {label}", "{label}: what would a customer say?", "Say something with the intent {label}")
REPHRASE_PROMPTS = ("Say it in other words.", "Rephrase the message.", "Write the same wish differently.", "Paraphrase.")
COMMON_PROMPTS = ("What do these messages have in common?", "One label for all of them.", "Name the shared topic.")
TAGS = ["red", "blue", "green", "north", "south", "west", "alpha", "beta", "gamma", "cat", "dog", "bird", "one", "two", "three", "A", "B", "C", "tea", "milk", "sun", "moon", "gold", "tin", "oak", "elm"]
AGENT_PROMPTS = ("You are a [helpful|friendly|polite] [assistant|agent|help desk].", "You [help|serve] customers of [a bank|a shop|an airline|a restaurant|a phone company]. Be [brief|kind|clear].")
REPLIES = (
    "[i am sorry about|sorry to hear about] [the|your] {x}. [please|could you] [tell me|send me|give me] your [order number|name|account number], [and i will check|so i can look].",
    "[of course|sure|no problem|happy to help]! [you can do that|go to settings|open the app] [under|and choose|and tap] your {x}, [then follow the steps|then press confirm|and it is done].",
    "[it usually takes|please allow|this takes] [two to three days|up to five days|one hour|a week]. [if your {x} is still missing then|after that], [write to us again|please call us].",
    "[we have|i have] [checked|found|looked at] your {x} and [everything is in order|it is on its way|we will send you a new one|the money will be returned].",
    "[for that|to help with your {x}] i need [a few details|one more thing]: [when did it happen|what is the exact amount|which one do you mean|what does the message say]?",
    "[thank you for|thanks for] telling us about the {x}. [a colleague will call you|we will mend it|we have passed it on] [today|tomorrow|on {day}].",
)
THANKS = ("[thanks|thank you|great, thanks|perfect|ok thanks] [so much|a lot|]", "[that helps|that worked|good to know], [thanks|thank you]", "[and how long will it take|what does it cost|can i do it online]?")
WELCOMES = ("[You're welcome|My pleasure|Glad to help|Any time]! [Have a nice day|Anything else|Goodbye].", "[It is free|It takes a few days|Yes, in the app], [no need to worry|and we will email you].")
EXTRACT_PROMPTS = ("Extract the details as JSON.", "Return JSON with the details in the message.", "Find the slots. Answer with JSON only.")
PLAIN_SLOTS = ["animal", "fruit", "colour", "product", "city", "count", "first_name", "food", "day", "month", "order_number", "last_name"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
GROUPS = {
    "an animal": ["a cat", "a horse", "a frog", "a whale", "an owl", "a wolf", "a goat"], "a fruit": ["an apple", "a pear", "a plum", "a mango", "a fig"], "a city": ["Paris", "Rome", "Cairo", "Tokyo", "Lagos"],
    "a country": ["France", "Kenya", "India", "Japan", "Spain"], "a colour": ["red", "blue", "green", "black"], "a tool": ["a hammer", "a saw", "a spade", "a needle"], "a vehicle": ["a car", "a train", "a bus", "a bicycle", "a boat"],
    "a drink": ["tea", "coffee", "milk", "lemonade"], "a month": ["June", "March", "October"], "furniture": ["a table", "a chair", "a bed", "a sofa"], "clothing": ["a shirt", "a hat", "a coat", "a skirt"], "money": ["a pound", "a dollar", "a euro", "a coin"],
}
OPPOSITES = [("hot", "cold"), ("big", "small"), ("up", "down"), ("early", "late"), ("open", "closed"), ("cheap", "expensive"), ("fast", "slow"), ("lost", "found"), ("send", "receive"), ("win", "lose"), ("happy", "sad"), ("new", "old"), ("full", "empty"), ("push", "pull"), ("yes", "no"), ("buy", "sell"), ("start", "stop"), ("before", "after"), ("heavy", "light"), ("dark", "bright")]
SYNONYMS = [("refund", "money back"), ("parcel", "package"), ("broken", "damaged"), ("purchase", "buy"), ("begin", "start"), ("mobile", "phone"), ("fee", "charge"), ("declined", "refused"), ("fast", "quick"), ("mistake", "error"), ("reservation", "booking"), ("arrive", "come"), ("stolen", "taken"), ("angry", "annoyed"), ("film", "movie"), ("shop", "store"), ("city", "town"), ("reply", "answer"), ("repair", "mend"), ("happy", "glad"), ("wire", "transfer"), ("atm", "cash machine"), ("passcode", "pin"), ("verify", "check"), ("withdraw", "take out"), ("top up", "add money"), ("currency", "money of a country")]
# fmt: on
