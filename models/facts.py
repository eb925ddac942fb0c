"""Small tables of facts. Each category: question phrasings, an answer sentence, and the pairs {x} -> {y}."""

CATEGORIES = {
    "capital": (
        [
            "What is the capital of {x}?",
            "Name the capital of {x}.",
            "Which city is the capital of {x}?",
            "{x}: what is its capital?",
            "Tell me the capital city of {x}.",
            "Do you know the capital of {x}?",
            "The capital of {x} is which city?",
            "I am going to {x}. What is the capital there?",
        ],
        "The capital of {x} is {y}. Answer: {y}.",
        "France Paris|Italy Rome|Spain Madrid|Germany Berlin|Japan Tokyo|China Beijing|Egypt Cairo|Greece Athens|"
        "Norway Oslo|Sweden Stockholm|Finland Helsinki|Poland Warsaw|Austria Vienna|Hungary Budapest|Portugal Lisbon|"
        "Ireland Dublin|Denmark Copenhagen|Russia Moscow|Turkey Ankara|Canada Ottawa|Peru Lima|Cuba Havana|"
        "Kenya Nairobi|Chile Santiago|Belgium Brussels|Iceland Reykjavik|Thailand Bangkok|Iran Tehran|Iraq Baghdad|"
        "Ukraine Kyiv",
    ),
    "sound": (
        [
            "What sound does a {x} make?",
            "How does a {x} sound?",
            "Which noise does a {x} make?",
            "A {x} says what?",
            "Tell me the sound of a {x}.",
            "What does a {x} do when it makes a noise?",
            "I hear a {x}. What does it do?",
        ],
        "A {x} {y}. Answer: {y}.",
        "dog barks|cat meows|cow moos|sheep bleats|horse neighs|duck quacks|lion roars|wolf howls|bee buzzes|"
        "snake hisses|frog croaks|pig grunts|hen clucks|owl hoots|mouse squeaks|donkey brays",
    ),
    "symbol": (
        [
            "What is the chemical symbol of {x}?",
            "Which symbol stands for {x}?",
            "Give me the symbol for {x}.",
            "How do chemists write {x}?",
            "{x}: which chemical symbol?",
            "In the periodic table, what is the symbol of {x}?",
            "Tell me the chemical symbol for {x}.",
        ],
        "The symbol of {x} is {y}. Answer: {y}.",
        "hydrogen H|helium He|carbon C|nitrogen N|oxygen O|iron Fe|gold Au|silver Ag|copper Cu|lead Pb|tin Sn|zinc Zn|"
        "sodium Na|calcium Ca|neon Ne|sulfur S|iodine I|nickel Ni|silicon Si|mercury Hg",
    ),
    "colour": (
        [
            "What colour is {x}?",
            "Which colour does {x} have?",
            "Tell me the colour of {x}.",
            "What is the colour of {x}?",
            "I want to paint {x}. Which colour do I need?",
            "Think of {x}. What colour is it?",
        ],
        "The colour of {x} is {y}. Answer: {y}.",
        "snow white|grass green|coal black|blood red|a lemon yellow|an orange orange|the sky blue|chocolate brown|"
        "milk white|a carrot orange|a cucumber green|a banana yellow|the night black|an elephant grey|a flamingo pink|"
        "a plum purple",
    ),
    "opposite": (
        [
            "What is the opposite of {x}?",
            "Give me the opposite of {x}.",
            "Which word means the opposite of {x}?",
            "Not {x}, but the opposite: which word?",
            "The opposite of {x} is what?",
            "Name a word opposite to {x}.",
            "If something is not {x}, what is it?",
        ],
        "The opposite of {x} is {y}. Answer: {y}.",
        "hot cold|big small|fast slow|high low|old young|wet dry|hard soft|full empty|light dark|rich poor|happy sad|"
        "early late|strong weak|near far|clean dirty|open closed|long short|left right|loud quiet|good bad|thick thin|"
        "first last|sweet sour|wide narrow",
    ),
    "young": (
        [
            "What is a young {x} called?",
            "What do we call a baby {x}?",
            "Name the young of a {x}.",
            "A {x} has a baby. What is the baby called?",
            "Which word names the young of the {x}?",
            "How do you call the child of a {x}?",
        ],
        "A young {x} is called a {y}. Answer: {y}.",
        "dog puppy|cat kitten|cow calf|sheep lamb|horse foal|hen chick|pig piglet|goat kid|bear cub|deer fawn|"
        "duck duckling|goose gosling|frog tadpole|swan cygnet",
    ),
    "legs": (
        [
            "How many legs does {x} have?",
            "Count the legs of {x}.",
            "What is the number of legs of {x}?",
            "Tell me how many legs {x} has.",
            "With how many legs does {x} move?",
            "I see {x}. How many legs are there?",
        ],
        "The number of legs of {x} is {y}. Answer: {y}.",
        "a dog 4|a spider 8|an ant 6|a bird 2|a snake 0|a crab 10|a bee 6|a horse 4|a fish 0|a hen 2|a beetle 6|"
        "a worm 0|a stool 3|a table 4",
    ),
    "plural": (
        [
            "What is the plural of {x}?",
            "One {x}, two what?",
            "Give me the plural form of {x}.",
            "I have one {x} and get another. Now I have two what?",
            "Which word do we use for more than one {x}?",
            "How do you say {x} in the plural?",
        ],
        "One {x}, two {y}. Answer: {y}.",
        "mouse mice|child children|foot feet|tooth teeth|man men|woman women|goose geese|leaf leaves|knife knives|"
        "box boxes|city cities|baby babies|wolf wolves|fox foxes|house houses|tree trees",
    ),
    "days_in": (
        [
            "How many days does {x} have?",
            "How long is {x} in days?",
            "Tell me the number of days in {x}.",
            "{x} has how many days?",
            "Count the days of {x}.",
            "How many days are there in {x}?",
        ],
        "The number of days in {x} is {y}. Answer: {y}.",
        "January 31|March 31|April 30|May 31|June 30|July 31|August 31|September 30|October 31|November 30|December 31",
    ),
}


def facts():
    """All facts as (category, phrasing number, question, answer sentence, final answer)."""
    out = []
    for category, (phrasings, answer, table) in CATEGORIES.items():
        for row in table.split("|"):
            x, y = row.rsplit(" ", 1)
            for number, phrasing in enumerate(phrasings):
                question = phrasing.format(x=x)
                out.append((category, number, x, question[0].upper() + question[1:], answer.format(x=x, y=y), y))
    return out


WORDS = (
    "apple ball bear bell bird boat book bread brick bridge bus cake camel candle car castle chair cloud coat corn "
    "cow crown cup desk dog door dress drum duck eagle earth egg farm fire fish flag flute fork frog garden gate "
    "ghost glass glove goat grape hand hat hill honey horse house ice ink island jar jeep jewel juice jungle key "
    "king kite knife ladder lake lamp leaf lemon lion map mask milk mirror moon mouse music nail nest night nose "
    "nut oak ocean olive onion orange owl paper park pearl pen piano plate pond queen quilt rabbit rain ring "
    "river road robot rock roof rose salt sand scarf sea shell ship shoe snow soap sock spoon star stone storm "
    "sugar sun table tea tent tiger tower train tree tulip turtle uncle urn valley van violin wagon wall watch "
    "water whale wheel wind window wolf wood yacht yard zebra"
).split()

NAMES = (
    "Anna Ben Carla David Emma Felix Greta Henry Ida Jonas Klara Leo Mia Noah Olga Paul Rosa Sam Tina Viktor "
    "Wendy Yara Zoe Adam Bella Oscar"
).split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
