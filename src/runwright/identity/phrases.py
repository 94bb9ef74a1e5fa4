"""Security phrases: two words that are shown to who asks for a letter, and stand in the letter.

Who sees another phrase in the letter knows that it is not the answer to what they asked for.
"""

import secrets
from typing import Final

_ADJECTIVES: Final = """
amber ancient autumn blue brave bright brisk bronze calm candid careful cheerful clever copper
coral cosmic crimson crystal curious daring dizzy eager early elegant emerald fearless fluffy
frosty gentle giant golden graceful green happy hidden humble indigo ivory jolly keen kind
lively lucky lunar mellow merry mighty misty modest narrow nimble noble olive patient pearl
playful polite purple quick quiet rapid rosy round royal ruby rustic scarlet shiny silent silver
smooth snowy sunny swift tall tender tidy tiny velvet violet warm wild winter wise witty yellow
"""
_NOUNS: Final = """
acorn anchor apple arrow badger balloon beacon beaver bell birch boat bridge butterfly button
camel candle canyon castle cedar cherry cliff cloud clover comet compass cottage cricket dolphin
donkey dragon drum eagle falcon feather fern fiddle forest fountain fox garden glacier hammer
harbour harp hedgehog heron hill island jacket kettle kite ladder lake lantern lemon lighthouse
lily lion lizard lobster maple marble meadow melon mirror moon mountain mushroom oak ocean
orchard otter owl panda parrot peach pebble penguin piano pine planet pumpkin rabbit raven river
robin rocket saddle salmon shell sparrow spoon squirrel star stone stream swan teapot thunder
tiger tower train trumpet tulip turtle valley violin walnut whale willow window wolf
"""

ADJECTIVES: Final = tuple(_ADJECTIVES.split())
NOUNS: Final = tuple(_NOUNS.split())


def new_phrase() -> str:
    """Such as `Golden fox`."""
    return f"{secrets.choice(ADJECTIVES).capitalize()} {secrets.choice(NOUNS)}"
