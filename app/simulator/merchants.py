"""Where the simulated people spend: merchants, their prices and how banks spell them.

Prices are in minor units. In a descriptor `{ref}` is a random reference, `{store}` a store
number, `{city}` and `{region}` the place in capitals.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Merchant:
    """One place to spend money."""

    name: str
    category: str
    low: int
    high: int
    texts: tuple[str, ...]
    online: bool = False
    website: str | None = None
    kind: str = ""
    """`tip`, `fuel` or `hold`: how the pending amount differs; `returns`: refunds happen."""
    weight: int = 1


def _shop(
    name: str, category: str, low: int, high: int, *texts: str, kind: str = "", weight: int = 1
) -> Merchant:
    return Merchant(name, category, low, high, texts, kind=kind, weight=weight)


def _web(
    name: str, category: str, low: int, high: int, *texts: str, site: str, kind: str = ""
) -> Merchant:
    return Merchant(name, category, low, high, texts, online=True, website=site, kind=kind)


_FOOD = "FOOD_AND_DRINK_"
_GOODS = "GENERAL_MERCHANDISE_"

HABITS: dict[str, tuple[Merchant, ...]] = {
    "groceries": (
        _shop("Trader Joe's", _FOOD + "GROCERIES", 1800, 9500,
              "TRADER JOE S #{store} {city} {region}", "TRADER JOE'S #{store} QPS", weight=3),
        _shop("Safeway", _FOOD + "GROCERIES", 900, 14200,
              "SAFEWAY #{store} {city} {region}", "SAFEWAY STORE {store}", weight=3),
        _shop("Greenleaf Market", _FOOD + "GROCERIES", 600, 6800,
              "SQ *GREENLEAF MARKET {city}", "GREENLEAF MKT {ref}", weight=2),
        _shop("Costco", _GOODS + "SUPERSTORES", 4200, 31000,
              "COSTCO WHSE #{store} {city} {region}", kind="returns"),
    ),
    "coffee": (
        _shop("Starbucks", _FOOD + "COFFEE", 395, 1420,
              "STARBUCKS STORE {store}", "STARBUCKS {store} {city} {region}", weight=2),
        _shop("Blue Heron Coffee", _FOOD + "COFFEE", 350, 1150,
              "SQ *BLUE HERON COFFEE", "SQ *BLUE HERON COFFEE {city} {region}", weight=3),
        _shop("Night Owl Espresso", _FOOD + "COFFEE", 400, 980, "TST* NIGHT OWL ESPRESSO {ref}"),
    ),
    "restaurants": (
        _shop("Luigi's Trattoria", _FOOD + "RESTAURANT", 2800, 12800,
              "TST* LUIGIS TRATTORIA {city}", kind="tip", weight=2),
        _shop("Saigon Garden", _FOOD + "RESTAURANT", 1650, 6900,
              "SAIGON GARDEN REST {city} {region}", kind="tip", weight=2),
        _shop("The Copper Pot", _FOOD + "RESTAURANT", 3400, 16500,
              "TST* THE COPPER POT - {ref}", kind="tip"),
        _shop("Tidewater Taproom", _FOOD + "BEER_WINE_AND_LIQUOR", 1400, 7200,
              "TIDEWATER TAPROOM {city}", kind="tip"),
    ),
    "fastfood": (
        _shop("Chipotle", _FOOD + "FAST_FOOD", 1050, 3900, "CHIPOTLE {store} {city} {region}",
              "CHIPOTLE ONLINE {ref}"),
        _shop("McDonald's", _FOOD + "FAST_FOOD", 480, 2350, "MCDONALD'S F{store} {city} {region}"),
        _shop("Bánh Mì Corner", _FOOD + "FAST_FOOD", 850, 2100, "SQ *BANH MI CORNER"),
        _web("DoorDash", _FOOD + "RESTAURANT", 1900, 6400, "DOORDASH*{ref}", "DD DOORDASH {ref}",
             site="doordash.com", kind="returns"),
    ),
    "fuel": (
        _shop("Shell", "TRANSPORTATION_GAS", 2600, 6900,
              "SHELL OIL {store}00{store} {city} {region}",
              "SHELL SERVICE STATION {city}", kind="fuel", weight=2),
        _shop("Chevron", "TRANSPORTATION_GAS", 2900, 7400, "CHEVRON 0{store} {city} {region}",
              kind="fuel"),
        _shop("Costco Gas", "TRANSPORTATION_GAS", 2400, 6100, "COSTCO GAS #{store} {city}",
              kind="fuel"),
    ),
    "shopping": (
        _web("Amazon", _GOODS + "ONLINE_MARKETPLACES", 799, 16900, "AMZN MKTP US*{ref}",
             "AMAZON.COM*{ref} AMZN.COM/BILL WA", "Amazon.com*{ref}",
             site="amazon.com", kind="returns"),
        _shop("Target", _GOODS + "SUPERSTORES", 1200, 14800, "TARGET 0000{store} {city} {region}",
              kind="returns", weight=2),
        _web("Etsy", _GOODS + "GIFTS_AND_NOVELTIES", 1100, 8900, "ETSY.COM*{ref}",
             site="etsy.com", kind="returns"),
        _shop("Best Buy", _GOODS + "ELECTRONICS", 1999, 64900, "BEST BUY 0000{store} {city}",
              kind="returns"),
        _shop("Uniqlo", _GOODS + "CLOTHING_AND_ACCESSORIES", 1990, 15900,
              "UNIQLO USA {store} {city}", kind="returns"),
        _shop("Powell Street Books", _GOODS + "BOOKSTORES_AND_NEWSSTANDS", 899, 7200,
              "SQ *POWELL STREET BOOKS"),
    ),
    "transport": (
        _web("Uber", "TRANSPORTATION_TAXIS_AND_RIDE_SHARES", 780, 4900, "UBER   *TRIP {ref}",
             "UBER *TRIP HELP.UBER.COM", site="uber.com", kind="returns"),
        _shop("City Transit", "TRANSPORTATION_PUBLIC_TRANSIT", 250, 1000,
              "CITY TRANSIT TVM {store}", weight=2),
        _shop("ParkRight", "TRANSPORTATION_PARKING", 200, 2800, "PARKRIGHT LOT {store} {city}"),
    ),
    "health": (
        _shop("Walgreens", "MEDICAL_PHARMACIES_AND_SUPPLEMENTS", 600, 6400,
              "WALGREENS #{store} {city} {region}", weight=3),
        _shop("Riverside Dental", "MEDICAL_DENTAL_CARE", 4500, 38000,
              "RIVERSIDE DENTAL GRP {city}"),
        _shop("Bayview Family Practice", "MEDICAL_PRIMARY_CARE", 2500, 18500,
              "BAYVIEW FAMILY PRACT {ref}"),
        _shop("Paws & Claws Vet", "MEDICAL_VETERINARY_SERVICES", 4800, 29000, "PAWS AND CLAWS VET"),
    ),
    "home": (
        _shop("Home Depot", "HOME_IMPROVEMENT_HARDWARE", 1100, 28900,
              "THE HOME DEPOT #{store} {city} {region}", kind="returns", weight=2),
        _shop("IKEA", "HOME_IMPROVEMENT_FURNITURE", 2400, 58900, "IKEA {city} {store}",
              kind="returns"),
    ),
    "fun": (
        _shop("Roxy Cinema", "ENTERTAINMENT_TV_AND_MOVIES", 1200, 5400, "ROXY CINEMA {city}"),
        _web("Steam", "ENTERTAINMENT_VIDEO_GAMES", 499, 6999, "STEAM PURCHASE {ref}",
             site="steampowered.com"),
        _shop("Summit Climbing Gym", "PERSONAL_CARE_GYMS_AND_FITNESS_CENTERS", 1800, 3600,
              "SUMMIT CLIMBING {city}"),
        _shop("Studio Nine Hair", "PERSONAL_CARE_HAIR_AND_BEAUTY", 3500, 14500,
              "SQ *STUDIO NINE HAIR", kind="tip"),
    ),
    "travel": (
        _web("Alaska Airlines", "TRAVEL_FLIGHTS", 12900, 68900, "ALASKA AIR {ref} SEATTLE WA",
             site="alaskaair.com", kind="returns"),
        _shop("Harborside Inn", "TRAVEL_LODGING", 14900, 62900,
              "HARBORSIDE INN {city}", kind="hold"),
        _shop("Enterprise", "TRAVEL_RENTAL_CARS", 9800, 45900, "ENTERPRISE RENT-A-CAR {ref}",
              kind="hold"),
    ),
    "software": (
        _web("GitHub", "GENERAL_SERVICES_OTHER_GENERAL_SERVICES", 400, 4400, "GITHUB, INC. {ref}",
             site="github.com"),
        _web("Figma", "GENERAL_SERVICES_OTHER_GENERAL_SERVICES", 1500, 4500, "FIGMA MONTHLY {ref}",
             site="figma.com"),
        _shop("Staples", _GOODS + "OFFICE_SUPPLIES", 900, 14900, "STAPLES 00{store} {city}"),
        _shop("FedEx Office", "GENERAL_SERVICES_POSTAGE_AND_SHIPPING", 700, 5900,
              "FEDEX OFFIC{store}00 {city}"),
    ),
}  # fmt: skip
"""Groups of merchants; a household visits each group some times a week."""

ABROAD: dict[str, tuple[str, str, tuple[Merchant, ...]]] = {
    "JP": ("TOKYO", "JPY", (
        _shop("7-Eleven Japan", _GOODS + "CONVENIENCE_STORES", 300, 2400,
              "SEVEN-ELEVEN {city} JPN"),
        _shop("JR East", "TRANSPORTATION_PUBLIC_TRANSIT", 900, 14200, "JR EAST {city} JPN"),
        _shop("Ichiran", _FOOD + "RESTAURANT", 1000, 3900, "ICHIRAN {city} JPN"),
    )),
    "FR": ("PARIS", "EUR", (
        _shop("Monoprix", _FOOD + "GROCERIES", 500, 5200, "MONOPRIX {store} {city} FRA"),
        _shop("RATP", "TRANSPORTATION_PUBLIC_TRANSIT", 215, 2300, "RATP {city} FRA"),
        _shop("Café du Canal", _FOOD + "RESTAURANT", 1200, 7900, "CAFE DU CANAL {city} FRA"),
    )),
    "GB": ("LONDON", "GBP", (
        _shop("Pret A Manger", _FOOD + "FAST_FOOD", 450, 1900, "PRET A MANGER {city} GBR"),
        _shop("TfL", "TRANSPORTATION_PUBLIC_TRANSIT", 280, 1600, "TFL TRAVEL CH {city} GBR"),
        _shop("Foyles", _GOODS + "BOOKSTORES_AND_NEWSSTANDS", 900, 6400, "FOYLES {city} GBR"),
    )),
}  # fmt: skip
"""Countries visited: city, currency, merchants; prices are already in the card's currency."""
