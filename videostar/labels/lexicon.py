"""English words by class. The lists are closed classes: none of them depends on a data set or a label."""

from __future__ import annotations

ARTICLES = frozenset(["a", "an", "the"])
POSSESSIVES = frozenset("my your his her its our their one's someone's somebody's whose".split())
NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
DETERMINERS = (
    ARTICLES
    | POSSESSIVES
    | frozenset(NUMBER_WORDS)
    | frozenset(
        "this that these those some any each every another both several many few all other various multiple".split()
    )
)
PARTICLES = frozenset("up down on off out in over away back apart together around through".split())
PREPOSITIONS = PARTICLES | frozenset(
    "into onto to from with at of by for upon across along against under underneath behind beside near inside "
    "outside toward towards above below between among beneath beyond past about amid next front top".split()
)
ADVERBS = frozenset(
    "very quite really just also still again now then often always repeatedly together slowly quickly already "
    "actually clearly even simply so too more most well hard fast ever once twice both right left straight forward "
    "backward forwards backwards yet indeed currently".split()
)
# "Eats a slice of cake" mentions eating cake: these words do not separate a verb from its object.
MEASURES = frozenset(
    "piece slice sheet sheets edge side glass cup bottle pair game bit lot lots bunch set couple number stack pile "
    "round match sip bite "
    "can bowl plate mug jar box bag group handful series kind type sort part row pieces slices glasses cups bottles "
    "pairs games bits shot shots one some dozens hundreds thousands tons plenty pile piles".split()
)
CONJUNCTIONS = frozenset(
    "and or but nor while when whereas because since although though as if unless until till that which who whom "
    "where than so yet however whether then before after".split()
)
BE = frozenset("is are was were be been being am isn't aren't wasn't weren't isnt arent wasnt werent 's".split())
GET = frozenset("get gets got getting gotten".split())
HAVE = frozenset("has have had having hasn't haven't hadn't".split())
AUXILIARIES = (
    BE
    | HAVE
    | frozenset(
        "does do did doesn't don't didn't doesnt dont didnt can could can't cannot couldn't may might must shall "
        "should will would won't wouldn't shouldn't to".split()
    )
)
PRONOUNS = frozenset(
    "he she it they we you i him them me us who he's she's it's they're we're you're i'm who's that's there's "
    "himself herself itself themselves someone somebody anyone everyone".split()
)
NEGATIONS = frozenset(
    "not no never neither nor without nobody none nothing nowhere cannot hardly scarcely isn't aren't wasn't weren't "
    "doesn't don't didn't can't couldn't won't wouldn't shouldn't hasn't haven't hadn't ain't mustn't needn't isnt "
    "arent wasnt werent doesnt dont didnt cant couldnt wont wouldnt hasnt havent "
    # German, French, Portuguese, Dutch, Swedish, Indonesian and Russian, as `normalise` writes them
    "nicht kein keine keinen pas nao niet inte bukan не нет ไม่".split()
)
GRAMMAR = DETERMINERS | PREPOSITIONS | ADVERBS | CONJUNCTIONS | AUXILIARIES | PRONOUNS | NEGATIONS
MODALS = frozenset("could might may perhaps maybe possibly".split())
# Words of an appearance or a belief, as opposed to a fact.
EPISTEMIC = MODALS | frozenset(
    "seem seems seemed appear appears appeared look looks looked looking probably likely suggest suggests suggested "
    "suspect suspected think thought believe believed assume assumed expect expected guess guessed mistake resemble "
    "resembles resembled impression would".split()
)

# How an answer means what it says.
YES = frozenset("yes yeah yep yup yea yess affirmative aye".split())
NO = frozenset("no nope nah negative".split())
AFFIRMATIONS = YES | frozenset("indeed correct right exactly absolutely definitely certainly sure true".split())
REFUTES = NO | frozenset(["not", "false", "incorrect", "wrong"])
CONTRASTS = frozenset("but however though although actually yet reality fact instead whereas".split())
# Words that start a clause, where the scope of a negation ends.
BARRIERS = frozenset(
    "but while when whereas because since although though after before until till yet however then so who which "
    "where by and as due".split()
)
# "I don't think that he runs" denies that he runs; "he does not look up and runs" does not.
OPINIONS = frozenset(
    "think believe say true agree suppose possible evidence case confirm assume mean likely sure certain appear seem "
    "look sign indication show include contain feature depict see suggest indicate proof".split()
)
MOMENTS = frozenset(
    "moment moments scene scenes point part time frame frames footage instance segment shot place clip".split()
)
# What did not happen: X, if one of these governs it.
UNREAL = frozenset(
    "fail fails failed failing failure pretend pretends pretended pretending pretense pretence feign feigns feigned "
    "feigning mimic mimics mimicked mimicking mime mimes mimed miming imitate imitates imitated imitating simulate "
    "simulates simulated simulating refuse refuses refused refusing decline declines declined declining forget "
    "forgets forgot forgetting avoid avoids avoided avoiding refrain refrains refrained refraining unable prepare "
    "prepares prepared preparing ready plan plans planned planning want wants wanted wanting intend intends "
    "intended intending hope hopes hoped hoping wish wishes wished threaten threatens threatened threatening "
    "hesitate hesitates hesitated almost nearly unlike except unlikely impossible verge".split()
)
# First impressions, and what others might take for it.
THOUGHT = frozenset(
    "thought assumed expected suspected supposed mistaken mistake mistook confuse confused considered guessed "
    "tempted imagined".split()
)
# Predicates that deny X after "X is" or "X can be".
EXCLUDED = frozenset(
    "wrong incorrect false excluded eliminated ruled impossible unlikely implausible inaccurate irrelevant out "
    "absent "
    "contradicted unsupported untrue fails mismatch unrealistic discarded dismissed".split()
)
PEOPLE = frozenset(
    "people person persons human humans man men woman women boy boys girl girls lady guy child children kid kids "
    "player players individual individuals baby adult adults".split()
)
FALSE = frozenset("false incorrect wrong untrue inaccurate".split())
VIDEO = frozenset("video clip footage recording film".split())
PICTURES = VIDEO | frozenset("image picture photo scene frame frames".split())
NOBODY = frozenset("nobody noone none".split())
