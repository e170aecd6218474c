"""Incident reports whose summaries state known facts.

A report is a handful of sentences. Some state the facts of the incident, the others are distractors that name other streets, towns,
days, times, numbers, causes and people out of the same vocabularies, so that only the words around a value tell which one is meant.
The words that give a value its role come shortly before it, because a causal language model cannot look ahead. The summary is one line
in the style of a dispatcher's log. Every fact is stated once, and a distractor never repeats a true value: the source of every
word of the summary is therefore known.

Standard library only. The random numbers come from random.Random.random() alone, the one method whose sequence Python promises to
keep, so a seed gives the same bytes everywhere.
"""
import random

EVENTS = "fire crash explosion flood robbery landslide derailment collapse blackout spill brawl stampede".split()
STREETS = """Linden Chapel Mill Station Harbour Castle Orchard Garden Bridge Market Abbey Willow Birch Cedar Maple Poplar Hazel Juniper
Heather Clover Foundry Tanner Cooper Weaver Potter Falcon Heron Swallow Raven Kestrel Beacon Quarry Meadow Thorn Ivy Laurel Rowan
Alder Bishop Canal""".split()
STREET_KINDS = "Road Street Lane Square".split()
TOWNS = """Harwick Denby Milton Ashford Burwell Calder Dunmore Elston Farley Gosford Halton Kelso Langley Marlow Norwell Oakham Penrith
Radley Selby Tilbury Upton Velden Walden Yarrow Brandon Clayton Dorset Ebury Fulton Grafton Hexham Keswick Lorton Morley Newbury
Otley Preston Redcar Stroud Thirsk""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
TIMES = [f"{hour:02d}{minute:02d}" for hour in range(24) for minute in (0, 30)]
NUMBERS = """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty""".split()
CAUSE_STATES = "faulty worn loose blocked frozen damaged rusty overheated".split()
CAUSE_PARTS = "wiring brakes drains valves cables pumps pipes bolts".split()
PEOPLE = """Nolan Hughes Barker Osman Petrov Lindqvist Moreau Ferrari Tanaka Okafor Silva Novak Keller Jansen Duarte Rossi Fischer Murphy
Walsh Byrne Costa Almeida Haddad Rahman Sharma Gupta Chen Wong Park Suzuki Mbeki Diallo Eriksen Larsen Virtanen Kowalski Horvat
Popescu Dimitrov Yilmaz""".split()

# In the order in which the summary states them.
FACTS = ("what", "street", "town", "day", "time", "hurt", "cause", "who")
SUMMARY = "{what} along {street} in {town}, {day} {time}; {hurt} hurt by {cause} says {who}"

# Sentences that state facts. {a:x} and {A:x} put the right article before a value.
STATEMENTS = {
    "what street town": [
        "{A:what} was reported on {street} in {town}.",
        "Crews were called to {a:what} on {street} in {town}.",
        "Police are dealing with {a:what} on {street} in the town of {town}.",
        "Residents of {town} were woken by {a:what} on {street}.",
        "In {town}, {a:what} has shut {street} to all traffic.",
        "Emergency services attended {a:what} at {street} in {town}.",
        "Officers sealed off {street} in {town} because of {a:what}."],
    "what street": [
        "{A:what} was reported on {street}.",
        "Crews were called to {a:what} at {street}.",
        "Police are dealing with {a:what} on {street}.",
        "Officers sealed off {street} because of {a:what}.",
        "Emergency services attended {a:what} at {street}."],
    "what town day": [
        "The town of {town} saw {a:what} on {day}.",
        "Police in {town} are dealing with {a:what} that began on {day}.",
        "{A:what} struck {town} on {day}.",
        "On {day} crews in {town} were called to {a:what}.",
        "Residents of {town} were woken on {day} by {a:what}."],
    "what hurt town": [
        "{A:what} in {town} has injured {hurt} people.",
        "Police in {town} say {a:what} left a total of {hurt} people hurt.",
        "Residents of {town} were woken by {a:what} that injured {hurt} people.",
        "Crews in {town} were called to {a:what} with {hurt} injured."],
    "street time": [
        "The first call, at {time}, came from {street}.",
        "Officers closed {street} at {time}.",
        "At {time} the alarm was raised on {street}.",
        "Smoke and noise were noticed on {street} at {time}."],
    "town day time": [
        "Crews reached {town} at {time} on {day}.",
        "It happened in {town} on {day} at {time}.",
        "The alarm in {town} was raised at {time} on {day}.",
        "The emergency in {town} began on {day}, at {time}."],
    "day time": [
        "It happened on {day} at {time}.",
        "The alarm was raised at {time} on {day}.",
        "The first call was logged on {day} at {time}.",
        "It all began at {time} on {day}.",
        "The log of {day} shows the first call at {time}."],
    "day": [
        "It happened on {day}.",
        "The alarm was raised on {day}.",
        "It all began on {day}.",
        "The first call was logged on {day}."],
    "hurt": [
        "Ambulances took {hurt} people to hospital.",
        "Doctors treated {hurt} people for their injuries.",
        "The number of injured was put at {hurt}.",
        "It left {hurt} people hurt.",
        "Medics confirmed that {hurt} people were hurt.",
        "Among the injured were {hurt} people from the area."],
    "cause": [
        "Investigators blame {cause}.",
        "The cause was found to be {cause}.",
        "Experts traced it to {cause}.",
        "It was caused by {cause}, the inquiry found.",
        "It started because of {cause}.",
        "An inspection pointed to {cause}."],
    "hurt cause": [
        "Doctors treated {hurt} people, and investigators blame {cause}.",
        "It left {hurt} people hurt and was caused by {cause}.",
        "Ambulances took {hurt} people to hospital; experts traced it to {cause}.",
        "The injured numbered {hurt}, and the cause was found to be {cause}."],
    "who": [
        "Inspector {who} leads the inquiry.",
        "The inquiry is led by Inspector {who}.",
        "In charge at the scene was Chief {who}.",
        "Officer in charge: {who}.",
        "A statement was read by Inspector {who}.",
        "The scene was handed over to Chief {who}."],
}

# Ways to spread the facts over sentences.
PLANS = [
    ["what street town", "day time", "hurt", "cause", "who"],
    ["what town day", "street time", "hurt cause", "who"],
    ["what street", "town day time", "hurt", "cause", "who"],
    ["what street town", "day time", "hurt cause", "who"],
    ["what hurt town", "street time", "day", "cause", "who"],
    ["what town day", "street time", "hurt", "cause", "who"],
]

# Sentences about anything else, with values that compete with the facts.
DISTRACTORS = {
    "what street town": [
        "The paper recalls an earlier {what} beside {street} near {town}.",
        "Many still remember an old {what} behind {street} outside {town}.",
        "An unrelated inquiry concerns an earlier {what} near {street} outside {town}.",
        "It reminded some of an old {what} beside {street} near {town}."],
    "what day": [
        "A drill for a mock {what} is planned for next {day}.",
        "Students will act out a mock {what} next {day}.",
        "An old film about an imaginary {what} was to be shown before {day}.",
        "A lecture about an imaginary {what} was put off until {day}."],
    "town day": [
        "Schools near {town} reopen next {day}.",
        "The market outside {town} will be closed until {day}.",
        "A concert near {town} was put off until {day}.",
        "The fair outside {town} closes before {day}."],
    "day time": [
        "The council meets next {day} before {time}.",
        "A public meeting is set for next {day} after {time}.",
        "Repairs will take until {day} after {time}.",
        "The next briefing is due before {day} or after {time}."],
    "street time": [
        "Buses were sent past {street} until {time}.",
        "Traffic was sent past {street} until {time}.",
        "A bus stop near {street} stayed open until {time}.",
        "Cars queued behind {street} until {time}."],
    "number": [
        "Crews brought {hurt} pumps and a crane.",
        "Engines came from {hurt} stations.",
        "Police spoke to {hurt} witnesses.",
        "Officials moved {hurt} families to a hall.",
        "Workers counted {hurt} broken windows."],
    "cause": [
        "Early talk about {cause} proved wrong.",
        "Nobody had noticed {cause} before.",
        "The inspection had ruled out {cause}.",
        "A shop was once fined for {cause}."],
    "who": [
        "A neighbour named {who} made tea for everyone.",
        "A passer-by named {who} filmed it with a phone.",
        "The baker called {who} kept the shop open all night.",
        "A retired teacher called {who} opened her house."],
    "who town": [
        "A driver from {town} named {who} missed a train.",
        "A visitor from {town} named {who} lost a suitcase.",
        "The team from {town} under coach {who} cancelled its match.",
        "A student from {town} called {who} offered to help."],
}
# The distractors' slots are drawn like the facts of the same name; "number" competes with the number of people hurt.
DISTRACTOR_SLOTS = {name: (["hurt"] if name == "number" else name.split()) for name in DISTRACTORS}

FILLERS = [
    "Neighbours watched from behind the tape.", "The weather was calm and dry.", "Power was back before long.",
    "Local shops stayed open.", "Nobody else was in danger.", "The area has been cleared since.",
    "Photographs are being collected.", "More details are expected soon.", "Volunteers handed out blankets.",
    "Insurance firms have been told."]


class Dice:
    """Choices made with random.Random.random() only."""

    def __init__(self, *seeds):
        state = 0
        for seed in seeds:
            state = (state * 1000003 + seed + 1) % (1 << 61)
        self.random = random.Random(state).random

    def below(self, n):
        return int(self.random() * n)

    def choice(self, items):
        return items[self.below(len(items))]

    def shuffled(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


def draw_value(dice, slot):
    if slot == "street":
        return dice.choice(STREETS) + " " + dice.choice(STREET_KINDS)
    if slot == "cause":
        return dice.choice(CAUSE_STATES) + " " + dice.choice(CAUSE_PARTS)
    return dice.choice({"what": EVENTS, "town": TOWNS, "day": DAYS, "time": TIMES, "hurt": NUMBERS, "who": PEOPLE}[slot])


def draw_other(dice, slot, used):
    """A value none of whose words is in use for that slot (the kind of a street may repeat)."""
    while True:
        value = draw_value(dice, slot)
        words = [value.split()[0]] if slot == "street" else value.split()
        if not used[slot] & set(words):
            used[slot].update(words)
            return value


class Text:
    """A text under construction that remembers where the values of its slots stand."""

    def __init__(self):
        self.parts, self.length, self.spans = [], 0, {}

    def add(self, piece):
        self.parts.append(piece)
        self.length += len(piece)

    def add_template(self, template, values, remember):
        for piece in template.replace("}", "{").split("{"):
            article, _, slot = piece.rpartition(":")
            if slot not in values or article not in ("", "a", "A"):
                self.add(piece)
                continue
            if article:
                self.add(article + ("n " if values[slot][0] in "aeiou" else " "))
            if remember:
                self.spans.setdefault(slot, []).append([self.length, self.length + len(values[slot])])
            self.add(values[slot])

    def __str__(self):
        return "".join(self.parts)


def render(sentences, wording):
    """The text of the sentences; wording picks one template of each sentence's shuffled list."""
    text = Text()
    for k, (templates, values, is_fact) in enumerate(sentences):
        if k:
            text.add(" ")
        text.add_template(templates[wording % len(templates)], values, is_fact)
    return text


def draw_sentences(dice, facts, most_others):
    """The sentences of a report: (wordings in random order, values, whether it states facts); most_others: see draw_report."""
    plan = dice.choice(PLANS)
    stated = [(dice.shuffled(STATEMENTS[name]), facts, True) for name in [plan[0]] + dice.shuffled(plan[1:])]
    used = {slot: set(value.split()) for slot, value in facts.items()}
    others = []
    for name in dice.shuffled(DISTRACTORS)[: min(most_others, 4 + dice.below(3))]:
        values = {slot: draw_other(dice, slot, used) for slot in DISTRACTOR_SLOTS[name]}
        others.append((dice.shuffled(DISTRACTORS[name]), values, False))
    others += [([line, line], {}, False) for line in dice.shuffled(FILLERS)[: min(most_others, dice.below(3))]]
    for sentence in dice.shuffled(others):
        stated.insert(dice.below(len(stated) + 1), sentence)
    return stated


def draw_report(seed, index, most_others=9):
    """Report number `index` of `seed`; independent of how many are drawn. Training begins with fewer distractors than usual."""
    dice = Dice(seed, index)
    facts = {slot: draw_value(dice, slot) for slot in FACTS}
    sentences = draw_sentences(dice, facts, most_others)
    document, paraphrase, summary = render(sentences, 0), render(sentences, 1), Text()
    summary.add_template(SUMMARY, facts, True)
    in_order = lambda spans: {slot: spans[slot] for slot in FACTS}
    return {"id": f"{seed}-{index:05d}", "document": str(document), "summary": str(summary),
            "rationales": in_order(document.spans), "paraphrase": str(paraphrase),
            "paraphrase_rationales": in_order(paraphrase.spans), "slots": facts, "summary_rationales": in_order(summary.spans)}
