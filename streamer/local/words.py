"""The words that made-up names consist of, genre by genre.

A template names its slots: `{adjective}`, `{noun}` and `{things}` are the genre's, `{place}`, `{first}`, `{last}`,
`{number}` and `{key}` everybody's.
"""

from dataclasses import dataclass
from typing import Final

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """How a genre sounds in names.

    Attributes:
        tag: of all its tracks.
        schools: of its artists; each has one, as a second tag.
        years: in which their first albums came out.
        artists: templates.
        titles: templates, of tracks and albums.
        adjectives: fill `{adjective}`.
        nouns: fill `{noun}`.
        things: fill `{things}`, in the plural.
    """

    tag: str
    schools: Words
    years: range
    artists: Words
    titles: Words
    adjectives: Words
    nouns: Words
    things: Words


def _words(text: str) -> Words:
    return tuple(word.replace("_", " ") for word in text.split())


_PERSON: Final = ("{first} {last}",)
_BAND: Final = ("The {adjective} {things}", "{adjective} {noun}", "{place} {things}", "{noun} {noun}")
_SONG: Final = (
    "{adjective} {noun}", "{noun}", "{things}", "{noun} in {place}", "{number} {things}", "The {noun}", "{first}",
    "Before the {noun}", "All My {things}", "{noun} & {noun}",
)  # fmt: skip

#: What all genres draw from.
COMMON: Final[dict[str, Words]] = {
    "first": _words(
        "Ada Alma Anselm Aurelio Basia Benoit Callum Cosima Dagny Dario Edda Eilif Elio Esme Farida Fergus Gwen Hanno "
        "Ilse Imre Ines Iona Jasper Junia Kaito Karin Lazlo Leonie Lucan Maren Mateo Mirela Nadia Nilo Odette Olaf "
        "Oona Paloma Pascal Quill Rania Rufus Saskia Silvio Suki Tamsin Teodor Thea Tomasz Ulla Vera Viggo Wanda "
        "Xenia Yann Yusra Zadie Zoltan"
    ),
    "last": _words(
        "Abbard Alder Ambry Arkwell Bellamar Birch Blomqvist Brandel Calloway Castellan Corvin Dalgaard Delacroix "
        "Dunmore Eastlake Ekholm Fairweather Falk Ferrant Fontane Galloway Grieve Halloran Harrow Hartigan Ibanov "
        "Ingersen Jessup Kestrel Kirschbaum Lachance Lindgren Lorne Marchetti Marlowe Mbeki-Ross Merriweather Moreau "
        "Nakatomi Nightingale Novak-Reyes Okonjo Oriel Pasternack Pemberton Quintero Ravenhill Rosales Sandoval "
        "Santangelo Selwyn Sorensen Tanaka-Bloom Thackeray Ueland Valcourt Verhoeven Vasquez-Holm Westerly Whitlock "
        "Winterbourne Yarrow Zielinski"
    ),
    "place": _words(
        "Aldermoor Ashgrove Bellwater Calder_Bay Copenhagen Duskford Eastport Fairhaven Glasgow Greywharf Halden "
        "Istria Kyoto Larkspur Lisbon Marrow_Street Marseille Nairobi Northgate Oaxaca Oslo Port_Amery Quayside "
        "Ravenna Reykjavik Saltmarsh Seville Tallinn Trieste Valparaiso Verona Wexcombe Windermoor Zanzibar"
    ),
    "number": _words("Two Three Four Five Seven Nine Eleven Twelve"),
    "key": _words("C D E F G A B_flat E_flat C_minor D_minor F-sharp_minor G_minor A_minor B_minor"),
}

#: One for each genre of a world; a world with more begins again with the first.
STYLES: Final = (
    Style(
        "ambient", ("drone", "modular", "field recordings"), range(1978, 1999),
        (*_PERSON, "{noun} {noun}", "{adjective} {noun}", "{noun} Institute"),
        ("{adjective} {noun}", "{noun}, Slowly", "{noun} for {place}", "{noun} at Rest", "Towards {noun}", "{noun}"),
        _words("Pale Weightless Distant Slow Translucent Quiet Submerged Boreal Faint Unhurried Glacial Soft"),
        _words("Lichen Estuary Tide Aurora Vapour Meridian Harbour Snowfall Moss Halo Delta Orbit Dusk Stillness"),
        _words("Lanterns Currents Clouds Shorelines Satellites Rooms Horizons Petals"),
    ),
    Style(
        "folk", ("singer-songwriter", "traditional", "chamber folk"), range(1962, 1999),
        (*_PERSON, "{first} & {first}", "The {adjective} {things}", "The {last} Family"),
        (*_SONG, "{first} of {place}", "The Road to {place}", "{noun} Ballad"),
        _words("Wandering Bramble Copper Gentle Lonesome Barefoot Kindly Windfall Weathered Homespun Early Willow"),
        _words("Orchard Lantern Hearth River Barley Wren Harvest Ferry Thimble Heather Millstone Cradle Plough Hill"),
        _words("Sparrows Ferns Shepherds Rovers Haymakers Foxes Swallows Weavers"),
    ),
    Style(
        "jazz", ("modal", "cool", "hard bop"), range(1955, 1996),
        ("{first} {last} Trio", "{first} {last} Quartet", *_PERSON, "{last} & {last}", "The {place} Seven"),
        ("{noun} for {first}", "{adjective} {noun}", "Blues for {place}", "{first}'s {noun}", "{noun}, {noun}",
         "{number} {things}", "After {noun}"),
        _words("Midnight Blue Crooked Velvet Unlikely Smoky Borrowed Easy Oblique Late Satin Upstairs"),
        _words("Hour Corner Turnaround Sidewalk Lament Stroll Alibi Telegram Overcoat Matinee Tangle Rain Mirror Tab"),
        _words("Steps Taxis Tides Nickels Umbrellas Shadows Cigarettes Blocks"),
    ),
    Style(
        "techno", ("dub techno", "minimal", "acid"), range(1988, 2000),
        ("{noun} {number}", "{noun}/{noun}", "{adjective} {noun}", "{last}", "Sector {place}"),
        ("{noun}", "{noun} {number}", "{adjective} {noun}", "{noun} ({last} Remix)", "{place} {noun}", "{noun} Dub"),
        _words("Binary Phase Solid Parallel Carbon Static Linear Kinetic Voltage Chrome Recursive Nocturnal"),
        _words("Relay Vector Circuit Transit Signal Isotope Module Axis Pulse Lattice Machine Cipher Reactor Filter"),
        _words("Units Arrays Systems Loops Engines Grids Mirrors Cells"),
    ),
    Style(
        "hip hop", ("boom bap", "jazz rap", "instrumental"), range(1987, 2000),
        ("{adjective} {last}", "{noun} {things}", "MC {last}", "{first} {noun}", "The {place} {things}"),
        ("{noun} Talk", "{adjective} {things}", "Back to {place}", "{noun} Tax", "{things} Only", "{number} {things}",
         "Ask {first}", "{noun} on the {noun}"),
        _words("Golden Corner Cold Heavy Concrete Sharp Uptown Honest Royal Loose Major Dusty"),
        _words("Ledger Block Crown Paper Elevator Notebook Hustle Verse Stoop Cassette Avenue Alphabet Bodega"),
        _words("Scholars Receipts Dialects Diamonds Borders Prophets Sneakers Witnesses"),
    ),
    Style(
        "metal", ("doom", "progressive metal", "black metal"), range(1976, 1999),
        ("{noun}{noun}", "{adjective} {noun}", "{things} of {place}", "Iron {noun}", "{noun} Throne"),
        ("{adjective} {noun}", "{noun} of {things}", "The {noun} Below", "Beneath {adjective} {things}",
         "{noun} Eternal", "March of the {things}", "Oath to {place}"),
        _words("Ashen Wretched Obsidian Hollow Burning Sunken Merciless Ancient Blackened Frozen Thorned Last"),
        _words("Raven Tomb Hammer Winter Serpent Crypt Storm Wolf Dirge Thorn Anvil Plague Abyss Citadel"),
        _words("Ravens Kings Ruins Gallows Giants Bones Embers Chains"),
    ),
    Style(
        "soul", ("northern soul", "deep soul", "funk"), range(1961, 1995),
        (*_PERSON, "{first} & The {things}", "The {adjective} {things}", "{first} {last} Revue"),
        ("{adjective} {noun}", "Give Me Your {noun}", "{first}, Please", "{noun} Keeps Calling", "Ain't No {noun}",
         "{number} {things}", "My {adjective} {noun}", "Sweet {place}"),
        _words("Tender Sweet Honeyed True Faithful Sunday Warm Steady Burning Golden Easy Precious"),
        _words("Heart Letter Promise Kitchen Morning Mercy Shoulder Doorbell Fever Rhythm Sugar Forgiveness Porch"),
        _words("Tears Promises Valentines Emeralds Sundays Kisses Reasons Preachers"),
    ),
    Style(
        "dream pop", ("shoegaze", "bedroom pop", "slowcore"), range(1984, 2000),
        ("{noun} {things}", "{adjective} {things}", "{noun} & {noun}", "Swim, {first}", "{things} in {place}"),
        (*_SONG, "{noun}, Again", "Sleepless in {place}"),
        _words("Lavender Blurry Silver Paper Drowsy Pastel Honey Hazy Velvet Summer Frosted Lilac"),
        _words("Cocoon Polaroid Lagoon Ribbon Carousel Daydream Window Seafoam Feather Tremolo Haze Swimmer Bloom"),
        _words("Ghosts Balloons Butterflies Raindrops Blankets Strangers Moths Lullabies"),
    ),
    Style(
        "bossa nova", ("samba", "tropicalia", "lounge"), range(1959, 1994),
        (*_PERSON, "{first} e {first}", "Trio {place}", "{last} & Os {things}"),
        ("{noun} de {first}", "{adjective} {noun}", "{noun} in {place}", "Samba for {first}", "{noun} at {number}",
         "A {noun} by the Sea"),
        _words("Sunlit Barefoot Languid Copper Lazy Tidal Orange Balmy Salted Afternoon Shy Coral"),
        _words("Balcony Breeze Shade Verandah Papaya Guitar Siesta Parasol Lagoon Serenade Pier Hammock Rain Kite"),
        _words("Palms Pelicans Waves Cariocas Oranges Terraces Boats Gardens"),
    ),
    Style(
        "post-punk", ("new wave", "no wave", "gothic rock"), range(1977, 1990),
        (*_BAND, "{noun} Committee", "Minor {things}"),
        ("{noun}", "{noun} Control", "{things}", "No {noun}", "{adjective} {noun}", "{noun} in the {noun}",
         "Letter from {place}", "Her {noun}"),
        _words("Nervous Angular Grey Municipal Modern Brutal Private Idle Foreign Sudden Colder Anxious"),
        _words("Factory Corridor Wire Committee Habit Concrete Alarm Scaffold Ministry Empire Border Glass"),
        _words("Strangers Typists Architects Trams Exits Uniforms Neighbours Errors"),
    ),
    Style(
        "classical", ("chamber music", "solo piano", "minimalism"), range(1956, 2000),
        ("{first} {last}", "{last} Quartet", "{place} Chamber Players", "Ensemble {last}", "Orchestra of {place}"),
        ("Nocturne in {key}", "Prelude in {key}", "{adjective} {noun}", "{noun} for {number} {things}",
         "Sonata in {key}", "Etude in {key}", "{noun} for {first}", "Rondo in {key}"),
        _words("Solemn Luminous Autumnal Pastoral Winter Measured Tender Grave Bright Hidden Northern Nocturnal"),
        _words("Elegy Variations Divertimento Vespers Landscape Passacaglia Cantata Bells Procession Mirror Garden"),
        _words("Cellos Voices Pianos Strings Hands Violins Seasons Windows"),
    ),
    Style(
        "country", ("bluegrass", "outlaw country", "alt-country"), range(1960, 1999),
        (*_PERSON, "{first} {last} & The {things}", "The {last} Brothers", "{place} {things}"),
        ("{adjective} {noun}", "{noun} Out of {place}", "{first}'s {noun}", "Leaving {place}", "Whiskey & {things}",
         "My Daddy's {noun}", "{number} {things} to {place}", "Lonesome {noun}"),
        _words("Dusty Lonesome Rusty Broken Honky-Tonk Faded Crooked Wild Sunday Gravel Homebound Tall"),
        _words("Highway Pickup Porchlight Fiddle Whistle Creek Saddle Jukebox Railroad Heartache Cornfield Boots Moon"),
        _words("Miles Horses Drifters Saddles Coyotes Fences Riders Wagons"),
    ),
)  # fmt: skip
