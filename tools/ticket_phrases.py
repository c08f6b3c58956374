"""The sentences customers of an invented homeware shop write, by intent. Written by the authors of Tunesmith.

One frame a line. ``{p}`` product, ``{o}`` order number, ``{d}`` past day, ``{f}`` day to come, ``{t}`` span of time,
``{m}`` money, ``{k}`` courier, ``{c}`` city, ``{n}`` small number; ``[a|b]`` picks one.
Does not own how frames become tickets (`write_tickets`).
"""

from __future__ import annotations

PRODUCTS = """kettle|desk lamp|wool blanket|coffee grinder|set of six glasses|bath mat|bookshelf|garden chair
rain jacket
frying pan|bread knife|pillow|duvet cover|wall clock|picture frame|toaster|teapot|laundry basket|shoe rack|curtain rod
candle set|cutting board|office chair|bedside table|doormat|watering can|salad bowl|backpack|alarm clock
soap dispenser
spice rack|floor lamp|table runner|ceramic vase|hand mixer|storage box|umbrella stand|mirror|bike lamp|lunch box
espresso cups|hallway rug|linen shirt|flower pot|ironing board|thermos|bar stool|tea towels|photo album|night light"""

CITIES = "Leeds|Porto|Gdańsk|Lyon|Utrecht|Cork|Malmö|Ghent|Turin|Graz|Bristol|Brno|Aarhus|Tampere|Seville|Dresden"
COURIERS = "the courier|the driver|SwiftBox|NordParcel|the post|your carrier|the delivery company|the parcel service"
SPANS = "two weeks|ten days|a week|five days|almost a month|three weeks|12 days|a fortnight|eight working days|6 days"
DAYS = "Monday|last Tuesday|3 March|12/04/2026|yesterday|the 14th|Friday|2026-02-19|last week|Saturday morning|May 2nd"
FUTURE = "Friday|next Monday|the 20th|tomorrow|the weekend|5 June|Thursday|the end of the month|Easter|2026-07-01"
STREETS = "Mill Lane|Station Road|Rue des Lilas|Birkenweg|Harbour Street|Via Roma|Oak Avenue|Church Hill|Kanaalstraat"
FIRST = """Amara|Jonas|Priya|Olga|Tomasz|Leila|Marta|Kwame|Henrik|Sofia|Yusuf|Claire|Diego|Ines|Ravi|Nora|Pavel|Mei
Femi
Greta|Hugo|Aisha|Luca|Zofia|Ben|Rosa|Emil|Chiara|Samir|Hanna|Oskar|Thea|Malik|Ewa|Jan|Lucía|Søren|Anaïs|Björn|Zoë"""
LAST = """Okafor|Lindqvist|Novak|Haddad|Moreau|Castillo|Berg|Tanaka|Walsh|Ferrari|Kowalska|Osei|Nguyen|Petrov|Andersen
Iyer|Dubois|Silva|Meyer|Rossi|Müller|García|Çelik|Varga|Brandt|Kelly|Fischer|Romero|Sato|Adeyemi"""

GREETINGS = """Hi,|Hello,|Hello there,|Hi there!|Good morning,|Good evening,|Dear team,|Hey,|Hi team,
To whom it may concern,
Dear Sir or Madam,|hello|hi|Hey guys,|Good afternoon,|Hi again,|Dear customer service,|Greetings,|Hiya,|hey there"""
SIGN_OFFS = """Thanks|Thank you!|Kind regards, {name}|Best, {name}|Cheers, {name}|Many thanks, {name}
Thanks in advance.
Regards, {name}|thx|Please reply soon.|{name}|Looking forward to your answer.|Best wishes, {name}
Yours sincerely, {name}
Have a nice day!|Thank you for your help, {name}|ta|Waiting for your reply.|Sent from my phone|- {name}"""

# Said before or after the request: true of any ticket, and full of other intents' words.
CONTEXT = """I bought a {p} from you on {d}.
My order number is {o}.
Order {o}.
it is about the {p}
This is about order {o} from {d}.
I already wrote to you on {d} but got no answer.
The invoice says {m}.
I paid {m} by card.
The parcel arrived on {d}.
I am a customer since 2019 and mostly happy.
I logged in to my account and could not find anything about it.
My husband ordered it, the account is in his name.
The tracking page says delivered.
The order is still marked as processing.
The delivery itself was fine.
I moved to {c} in January.
I live in {c}.
Your chat told me to write here.
I could not find this in your FAQ.
It was a present for my [mother|sister|neighbour|boss].
The refund for my other order came quickly, thank you for that.
The old {p} broke so I needed a new one.
I have the invoice here if you need it.
The box looked a bit battered but never mind.
I changed my password last week, so that is not it.
I am not angry, just asking.
No hurry.
This is urgent!
I need it by {f}.
I called {n} times and nobody picked up.
{k} left a card in my letterbox.
I ordered {n} things and this is only about the {p}.
I nearly cancelled because of the price, but fine.
I paid with the voucher you sent me for my birthday.
My address has not changed.
We use the {p} in our office.
Sorry if this is the wrong department.
I hope this is the right place to ask.
English is not my first language, sorry.
I had the same with the {p} last year.
The product is great by the way.
your newsletter sent me here
Please don't send me a standard answer.
I am writing on behalf of my grandmother."""

FRAMES: dict[str, str] = {}

FRAMES["refund_request"] = """I want my money back for the {p}
Please refund order {o}.
I sent the {p} back {t} ago and still no refund
When will I get the {m} back on my card?
How do I return the {p} and get my money back?
I'd like to return this, it's not what I expected, and be reimbursed
the return arrived at your warehouse on {d} but the money hasn't come
You charged me twice, {m} each time. Please give one back.
I was charged {m} although the shop said it was on sale. I'd like the difference refunded.
Can I get a refund if I already opened the box?
still waiting for my reimbursement for {o}
The {p} does not fit, I'd like to send it back for a full refund
please pay back the {m} you took
I only got half of the refund, where is the rest?
I returned two items but you only refunded one
[my|the] {p} never turned up so I want my money back now
it came broken and i don't want a new one, i want the money
how long do refunds take?
You promised a refund on {d}. Nothing on my account so far.
I don't need a replacement, just credit my card.
Is it possible to have the shipping costs returned too? I sent everything back.
I changed my mind about the {p}, what are the steps to return it?
Wrong size, wrong colour, want to send it back and get reimbursed.
Could you transfer the amount to another account? My old card was closed.
I'd rather have the money than a voucher.
You gave me store credit but I asked for my money.
Refund please. Order {o}.
refund???
The {p} was cheaper the day after, can you pay me the difference?
[Kindly|Please] process the return of {o} and put {m} back on my card
my bank says no refund was sent by you
It has been {t} since you confirmed my return
Where do I get a return label? I want to give the {p} back
I did not like the material, sending it back, please tell me when I get paid
The order was cancelled by you but {m} is still gone from my account
you cancelled my order and kept the money
I cancelled within the hour, so why did you still take {m}?
I want to withdraw from the purchase within 14 days and be repaid
Under the 14-day rule I return the {p}. Please confirm the repayment of {m}.
What do I have to do to be paid back?
Please reverse the charge of {m}
There's a charge of {m} from your shop which I don't recognise, I want it back
Double payment for {o}!! Give back one please
the discount code was not applied so you owe me {m}
half of the order is missing so half the price should come back to me
I'd like compensation of {m} for the part that was not in the box
if I send it back unopened do I get everything back including postage?
The refund went to a card I no longer own
Could someone look at my return? Label was scanned on {d}, no money yet
i returned it in the shop in {c}, they said the money comes from you
can i swap it for my money
I wish to hand back the {p} and get the purchase price
Would you take the {p} back? It's unused.
I was told 5 days for the repayment, it's been {t}
Money back guarantee - how do I use it?
I want to complain to my bank unless the {m} is repaid
what happened to my refund from {d}
Can you check if the {m} was already sent back to me?
it's too small. return + refund pls
My PayPal still shows nothing for the returned {p}
Not satisfied with the {p}. Want my payment returned.
Return accepted, repayment missing. {o}
You debited me again for the same {p}"""

FRAMES["delivery_status"] = """Where is my order {o}?
where's my parcel
My {p} should have been here on {d}, any news?
The tracking hasn't moved for {t}
Can you tell me when the {p} will arrive?
I still haven't received my order from {d}
has my order shipped yet?
tracking says delivered but there is nothing here
{k} says it has no parcel for me. What now?
When does order {o} leave your warehouse?
It's been {t} and still no {p}
Please give me the tracking number for {o}
I'd like to know the status of my delivery
the tracking link in your mail does not work
My neighbour got her parcel, mine from the same day is not here
Will it come before {f}? I'm away after that.
My order says 'processing' since {d}. What does this mean?
Any update on {o}?
How long does delivery to {c} take?
Only part of my order came, where is the {p}?
one of two parcels arrived. When's the other one coming?
The driver did not ring. Where did he leave the parcel?
Estimated delivery was {d}. Today is later than that...
Is my package lost?
i guess the parcel got lost, it was last seen in {c}
has the {p} been dispatched
I got the invoice but not the goods
I paid {t} ago. When do I get the {p}?
you said 2-3 days. it's been {t}
Could you check with {k} where it is
Parcel stuck in {c} since {d}
Which company delivers my order, and on which day?
Do you deliver on Saturdays? I'm waiting for {o}.
I was at home all day and nobody came
They tried to deliver while I was out, when will they try again?
{k} left a note but the pickup point does not have it
Can I collect the parcel somewhere? The tracking says depot {c}
The app shows my delivery was moved to {f} again. Why?
Still waiting!!! Where is it???
no parcel, no mail, no tracking. what's going on with {o}
My order was confirmed on {d} but I've heard nothing since
I need the {p} by {f}, will that work?
What time will the delivery be today?
My package went to {c}, I don't live there. When will I get it?
Did you send my {p} already? I'd like to follow it.
The status jumped back from shipped to packed. Is that an error?
delivery date please, order {o}
Shipment {o} seems to be late
Where in the world is my {p}?
Is there a delay at the moment? Mine's {t} late.
I'd like to know how far my order is
Can you see on your side where it is? On mine it only says 'in transit'.
is it normal that it takes {t}
hello?? {t} and no {p}
My flatmate might have taken the parcel in, who signed for it?
Who signed for the delivery on {d}? It was not me.
When can I expect the rest of the order?
The pre-ordered {p} was due on {d}
It left the warehouse on {d} and then nothing
I can't track {o}, it says number unknown
do you know if it comes today
Expected the {p} for my daughter's birthday on {f}. Is it on its way?
Please tell me when it's coming so that I can be at home"""

FRAMES["damaged_item"] = """The {p} arrived broken
My {p} has a crack
the parcel was soaked and the {p} inside is ruined
One of the pieces is chipped, can you send a new one?
The {p} stopped working after {t}
It came with a big scratch on the front
The {p} does not switch on
Glass everywhere when I opened the box!
There's a dent in the {p}, please replace it
Part of the {p} is missing, the screws were not in the bag
I received the wrong colour, I ordered blue and got green
Wrong item in the parcel! I ordered a {p}.
You sent me somebody else's order
The {p} leaks
the handle came off on the first day
The {p} makes a horrible noise, must be faulty
Can I get a replacement for my broken {p}?
the box was open and one thing fell out
It's defective. What about the warranty?
my {p} is falling apart after {t}
The lid doesn't close, looks like a production fault
arrived smashed, photos attached
{k} must have dropped it, everything is in pieces
I need a spare part for the {p}, one leg is bent
The colour came off in the first wash
Stains on the {p} right out of the packaging
It smells of burnt plastic when I use it
I'd like to exchange the {p}, it's faulty
Two of six are broken
the seam is torn already
I opened order {o} today and the {p} is in two parts
Warranty claim for the {p} bought on {d}
the {p} i got is used!! there are marks on it
Something rattles inside the {p}
One shoe bigger than the other so to speak: the two parts don't match
Not a refund, I just want one that works
please send another one, this one is cracked
The zip is broken
Screws missing. Can't put the {p} together
I got {n} instead of the number I paid for
The replacement you sent is damaged as well!
second {p}, same fault
The display shows an error and then goes dark
mirror side of it is all scratched up
The instructions don't match what was in the box, a panel is missing
The {p} wobbles, one side is shorter
It looked fine but after {t} the paint peels
Delivered on {d}, defective on {d}
Packaging was terrible, so of course the {p} broke
Something is wrong with my {p}, it gets far too hot
[Unfortunately|Sadly] the {p} did not survive the transport
There's a hole in it
How do I report transport damage? Order {o}
Do you repair things? Mine broke after {t}
What do I do with a {p} that came damaged?
The wrong size was in the bag, label says M but it's S
The {p} is bent and can't be used
Faulty {p}, order {o}, please advise
battery dead after one day
my {p} broke. is it still under guarantee?
The cable is missing from the box
I unpacked it and a piece was lying loose at the bottom
The wood is split along the edge"""

FRAMES["cancel_order"] = """Please cancel order {o}
I want to cancel my order
I ordered the {p} by mistake, please stop it
Can I still cancel? I only ordered {n} minutes ago
cancel {o} please
I clicked twice and now have two orders. Please delete one.
stop the order of the {p}, I found it cheaper elsewhere
I don't need the {p} any more, don't send it
how do I cancel an order on your site
The cancel button is grey, can you do it for me?
It takes too long, cancel it
If it hasn't shipped by {f}, please cancel it
Please do not ship {o}
I ordered the wrong size. Can you drop the order so I can place a new one?
take the {p} out of my order please, keep the rest
I'd like to remove one item from {o} before it goes out
Is it too late to call off my order?
I've changed my mind, no {p} for me
Withdraw my order from {d} please
My son ordered without asking me. Please undo it.
Cancel everything!
pls cancel, wrong address and wrong item, I'll order again
Delivery date is too late for me so I no longer want it
I tried to cancel online but it gives an error
Please confirm that {o} is cancelled
i don't want it anymore
Do not charge me, I'm cancelling
I'd like to cancel my pre-order for the {p}
can you hold back the parcel? i don't want it now
I would like to stop this purchase before it leaves the warehouse
can i cancel without cost?
Cancel the subscription box from next month please
Please end my monthly {p} delivery
The {p} was for a wedding that is now off, so please cancel
Ordered {n} by accident, need only one, remove the others
There was a typo in the quantity, please scrap the order
What's the deadline to cancel?
Forget my order please
please make {o} undone
I didn't mean to order that
My order has been 'processing' for {t}; just cancel it
Since you can't tell me when it comes, I'm cancelling
Kindly void order {o}
you still have the {p} in your warehouse so please leave it there
Order placed on {d}: I don't want it delivered any more
Would like to annul my order
The checkout froze and now I have the same order three times. Keep one, cancel two.
Can my order be stopped? It's not packed yet
I've bought the {p} in town so yours is no longer needed
Not needed any longer: {o}
Cancel before you send it, otherwise I have to return it
The payment was wrong, please cancel and I'll reorder
please cancel the {p} but not the rest of it
Quick one: cancel my last order
how can I get out of this order
My order confirmation is wrong, please don't process it
I got a better offer. Cancel.
revoke order {o}
Got no answer, so I cancel now
Can I change my order to another {p}? If not cancel it
Let's call it off, I waited {t}
I have to cancel because I'm moving abroad
Abort the delivery of {o}"""

FRAMES["change_address"] = """I need to change the delivery address for {o}
I have moved, please update my address
Please send it to {street} 14 in {c} instead
wrong address in my order!
Can you deliver to my office instead?
I typed the wrong house number, it's {n}0 not {n}1
How do I change my address in the account?
My new address is {street} 27, {c}
My parcel is going to my old flat
I forgot to add the flat number
Can the parcel be redirected to a neighbour?
please change the shipping address before it ships
The postcode is wrong in order {o}
I'm on holiday from {f}, could you deliver to my parents in {c}?
Is it possible to send the {p} to a different country?
the name on the door is different from the name on the order
Please add 'c/o {name}' to my address
can i still switch the delivery to a pickup point
deliver to a parcel locker please
Change billing address please, the invoice should go to {c}
I'd like the invoice and the goods to go to different addresses
the address on my account is still the old one in {c}
I selected the wrong address from the list at checkout
My street was renamed, it is now {street}
Please correct the street: {street}, not what I wrote
We moved our office to {c}
moving house on {f}, what about my open order?
Could you tell {k} to bring it to {street} instead
i put my work address by accident
autofill put my old address in order {o}
I can't edit the address after paying
Where can I edit my delivery details?
There is no street number in my order, it's {street} 8
Update: new address from {f}
Send everything to {c} from now on
How can I add a second address?
Please use my new address for all future orders
I can't receive it at home, can it go somewhere else?
Different delivery address for the {p} please
the town is spelled wrong, should be {c}
My order {o} must not go to the old address!
Please note I changed flats, now second floor left
can {k} leave it at the shop next door, {street} 3?
Redirect please: {street} 19, {c}
I'd like it shipped to my sister
I want the present sent to my friend directly
You have my address wrong
Delivery to {c} instead of {c}, is that possible?
Address correction for {o}
I think I gave you the wrong postcode
Change of address
my address changed
the entrance is on {street}, please tell the driver
The company name is missing in the delivery address
Can I swap the delivery address? Not shipped yet
Does the parcel go to the new or the old address? I need the new one
old address still showing when I order, please remove it
please forward it to {c}, I am there until {f}
The order is right but the address isn't
Need to update where you send my {p}
i live at {street} 5 now
Your site doesn't accept my address because of the letter in it
please fix my address"""

FRAMES["invoice_copy"] = """Can you send me the invoice for {o}?
I need a copy of the invoice
where can I download my receipt
I lost the receipt for the {p}, can you send it again?
Please send the bill for order {o} to my company
I need an invoice with VAT number for my tax return
There was no invoice in the box
The invoice shows the wrong company name
My accountant needs the receipt from {d}
Invoice please
I can't open the PDF of the invoice
invoice for order {o} missing in my account
please resend the bill by e-mail
For the warranty I need the proof of purchase
Can I get a receipt with my company's address on it?
Do you issue invoices without VAT for businesses abroad?
The total on the invoice is not what I paid
I paid {m} but the receipt says something else, please correct it
Could I have one invoice for all orders of last year?
we need the invoice in English
Is the paper in the parcel the invoice or just a packing list?
i need a bill for my insurance
my employer pays for the {p}, so I need the invoice in their name
Add our purchase order number to the invoice please
How do I get a VAT receipt?
The tax office wants the original invoice from {d}
I never got the invoice, only the order confirmation
Kindly provide the invoice of {m}
Send me the papers for my bookkeeping please, order {o}
The link to my invoice has expired
Your invoice lacks the VAT number
Invoice was sent to the old e-mail address, please send again
Could you split the invoice in two?
the billing document has the wrong date
for the return they ask for the receipt and I don't have it
proof of payment needed
please send me a pro forma invoice for the {p}
can you mail me a copy on paper
receipt???
Where's my bill?
I need the receipt so that I can exchange it in the shop
Our bookkeeping can't find your invoice for {m}
Would you write the name of my firm on the bill?
How long do you keep invoices? I need one from 2023.
invoice is blank when I print it
Please issue a corrected invoice for {o}
Wrong name on bill
Can't find the invoice after I logged in
Download of the invoice ends in an error
I need an itemised bill for the {n} things I bought
You sent me the invoice of another customer!
Do I get an invoice if I pay by card?
Please send all documents for {o}
I need to claim the {p} as an expense, what paper can you give me?
confirmation of payment for {m}, please
Copy of bill from {d} needed
I threw the receipt away with the box
our VAT id is missing from the paper you sent
duplicate of invoice required
invoice number for {o}?
Just the receipt please, everything else is fine
Where do I put our company details so they show on the invoice?
Please bill my company, not me"""

FRAMES["login_problem"] = """I can't log in
My password doesn't work any more
The reset mail never arrives
I forgot my password, what now?
your site says my account is locked
It says 'unknown user' but I ordered last month
How do I change my password?
I don't get the code for the login
I can't get into my account to see my order
My account has disappeared
Login page keeps loading
The app throws me out after a second
the link to set a new password has expired
I changed my e-mail address and now can't sign in
Someone else is using my account!
I got a mail that my password was changed but that wasn't me
Please unlock my account
I have two accounts, can you join them?
i cannot sign up, it says the mail is taken
How can I delete my account?
sign in with my phone number does not work
password reset does nothing
the site doesn't accept my new password
Every time I log in the basket is empty and I'm logged out
too many attempts, try later - it says so since {d}
Where can I log in? I don't see the button.
I don't remember which mail I registered with
can't log in to track my order
can't log in to download my invoice
I need to change my address but I can't get into my account
Error 403 when signing in
The verification code comes too late and is invalid
My login was hacked, please help
I ordered as a guest, how do I get an account with that order in it?
two-step code not arriving
It asks for a code from an old phone that I no longer have
wrong password it says. it isn't!!
Please reset my access
Account blocked since {d}, why?
The captcha is impossible, I can't get in
my account shows the orders of another person
How do I switch off the text message at login?
app login broken since the update
I'm stuck at the login screen
Change my e-mail in the account please
the website forgets me each time
registered yesterday, no confirmation mail
Activation link does not work
I can't reach my profile, only a white page
Why do I have to set a new password every {t}?
password forgotten and I no longer use that e-mail
Log-in impossible from {c}, works at home
I deleted the app and now it doesn't know me
your page says my data is wrong
unable to enter my account with the usual password
Please help me get back in
I'd like to close my account and have my data erased
My wife can't open our account on her tablet
Sign-in with the social button fails
it won't let me in
Locked out!
No access to my orders since {d}
username or password invalid, tried {n} times"""

FRAMES["product_question"] = """Is the {p} dishwasher safe?
What are the measurements of the {p}?
Does the {p} come in other colours?
When will the {p} be back in stock?
Is the {p} still available?
What is the {p} made of?
Do you have the {p} in a bigger size?
Does it come with batteries?
Can I use the {p} outdoors?
how heavy is the {p}
Which of your {p}s is the best for a small flat?
Is there a manual for the {p} online?
what's the difference between the two {p} models
Is the wood from a certified forest?
Does the {p} fit a shelf of 30 cm?
Can it be used on induction?
Do you sell spare parts for the {p}?
How long is the warranty on the {p}?
is it suitable for children
How do I clean the {p}?
how do you put the {p} together? I don't understand step {n}
Would the {p} go with the {p} from the same series?
Is the {p} vegan?
What's the power consumption of it?
I'm looking for a {p} under {m}, what do you suggest?
Will there be a discount on the {p} soon?
Does the price of {m} include everything in the picture?
The photo shows {n} but the text says one, which is it?
Do you ship the {p} to {c}?
Is there a shop in {c} where I can see the {p}?
can I order fabric samples
Can I return the {p} if the colour doesn't match? I haven't ordered yet.
How long would delivery of a {p} take if I ordered today?
does the {p} need to be assembled
Can the {p} be engraved?
what size should I take, I'm between M and L
Is the cover removable and washable?
Do you have it in stock in {c}?
Is it noisy?
Do you gift wrap?
will the green one come back
Can I pay by invoice?
Do you give discounts to schools for {n}0 pieces?
before I buy: what happens if the {p} breaks?
Which bulb does the lamp need
does it hold hot water
I'd like to know where the {p} is produced.
are the {p}s sold one by one or as a set
Is the new {p} better than the old one?
Which glue do I need for the {p}?
Could you tell me the depth of the {p}? The site only gives width.
Is it the same {p} as in your catalogue?
can you recommend something as a present for {m}
Would it be ready to use out of the box?
Any chance the {p} gets cheaper?
I can't find the care instructions on the page
Is the {p} heavy to carry? I have a bad back.
My {p} is from 2018, do new parts fit?
Do you have a {p} for left-handed people?
Does the set include a lid?
what voltage is the {p}
question about the {p}: does it fade in the sun?
is the {p} good"""

FRAMES["complaint_service"] = """Your customer service is a disgrace
I have written {n} times and nobody answers
I waited {t} for a reply from you
The person on the phone was very rude
I'd like to make a complaint
Nobody feels responsible at your company
I was on hold for an hour and then cut off
your chat bot is useless, I want a human
I want to speak to a manager
Worst shop ever, never again
You keep sending me the same standard answer
I was promised a call back on {d}. Nobody called.
This is the third time something goes wrong with my order
I'm really disappointed with how you handled this
{k} was rude to my mother at the door
The driver threw the parcel over the fence, and that's not the first time
Why does nobody read my mails?
Every colleague of yours tells me something else
I feel cheated by your shop
I'll leave a bad review
What kind of service is this??
If I don't hear from you by {f} I'll go to the consumer office
How can it be that it takes {t} to answer a simple question
I've been a loyal customer, and this is how you treat me
Your staff hung up on me
Very unhappy with your support
Where do I send a formal complaint?
Please pass this to your boss
you closed my ticket without solving anything
first wrong item, then wrong refund, now silence. I've had enough.
Nobody ever says sorry at your place
You don't take your customers seriously
Your hotline is never reachable
I'm angry that I have to chase you for everything
I expect an apology
I was told different things about my refund by {n} people. That's not professional.
my last {n} orders were all late, what are you doing about it?
It's not about the money, it's about how I was spoken to
I wish to complain about {k}
the way you deal with complaints is terrible
Absolutely unacceptable
do you even read this?
No answer since {d}. Shame on you.
Please stop sending me the survey when you never solved my problem
You advertise great service. I can't see any.
Do I need a lawyer to get an answer?
this company is a joke
Your colleague laughed at me on the phone
Delivery always late, hotline always busy, I'm done with you
Your mails are impolite
I asked politely four times, now I'm getting loud
The shop assistant in {c} ignored us for 20 minutes
I want this complaint on record
It's your mistake and you make me do all the work
Is it your policy to ignore people?
Sent photos, invoice, everything, and still being asked for them again
Was told my case was escalated. To whom, the moon?
I regret ordering from you
so disappointing.
You treat new customers better than old ones
I have no words for this service
Your agent {name} promised to solve it and then disappeared
Terrible experience from start to end"""

FRAMES["gift_card"] = """Can I buy a gift card from you?
My gift card code doesn't work
How much is left on my gift card?
The gift card I got for my birthday is not accepted at checkout
do you sell vouchers
I'd like to give my sister a voucher for {m}
Where do I enter the gift card number?
The gift card never arrived by mail
my friend did not get the gift card I sent her
How long is a gift card valid?
I scratched the code off by accident
Can I use two gift cards for one order?
gift card says already used but I haven't
Can I pay the rest by card if the gift card is not enough?
Can I send a gift card by e-mail on {f}?
I lost my gift card, can you block it?
is there a gift card with a photo
the voucher code is too short it says
Please extend my gift card, it expired on {d}
what do I do with an expired voucher
Can I use the gift card in your shop in {c}?
Do gift cards work on sale items?
The balance of my gift card is wrong, should be {m}
I have {m} on a gift card and want to check it
Can I top up my gift card?
I typed in the code and got 'invalid voucher'
I'd like ten gift cards for my team
gift card for {m} please, how do I order
Is it possible to print the gift card at home?
can I turn my gift card into cash
The pin of my gift card can't be read
I want to order a gift card but the page is empty
My mother bought a voucher in the shop, can she use it online?
Can I choose any amount for a gift voucher?
I wrote the wrong e-mail for the gift card recipient
My voucher disappeared from my account after I logged in
The gift card was delivered without a code
Only {m} of my voucher was taken off, where's the rest?
My order was cancelled, is the money back on the gift card?
I returned the {p} that I paid for with a gift card, what happens to the balance?
you sent the voucher twice
Redeeming my gift card doesn't work in the app
Is there a minimum for gift cards?
Do I get an invoice for a gift card?
can i use a gift card to buy another gift card
gift card arrived damaged, the number is torn off
can I change the design of the gift card before it's sent?
Which date is printed on the voucher?
how do i redeem this thing? it's a card with your logo and a code
I got a card with {m} on it for Christmas, how does it work?
checkout ignores my voucher
How can I see what's left on the card my boss gave me
The voucher can't be combined with the discount it says, is that right?
I'd love to give someone your shop's card as a present
Does the gift voucher come in an envelope?
Voucher for a wedding, can several people pay into it?
My gift code was stolen, someone used it in {c}
Can I cancel a gift card I bought on {d}?
The person I gave the voucher to lives in {c}, can they use it there?
Are your gift cards also for the monthly box?
Balance check please
gift card number not recognised
My present card has 16 digits but the field takes 12
please resend the gift voucher I bought
I want the gift card delivered on her birthday, {f}
voucher
My wife threw away the card but we have the receipt, is the credit gone?
Do you have gift cards?
how many digits does the code have
paid for a voucher, got nothing
bonus credit from the voucher is not shown
Where can I check the credit on my voucher?"""
