"""The categories a household starts with: Plaid's personal finance categories, version 2.

The codes are Plaid's; the names are ours. Whether a category counts as income or spending, or
only moves money between one's own pockets, is its kind.
"""

from dataclasses import dataclass

INCOME = "income"
SPENDING = "spending"
TRANSFER = "transfer"
KINDS = (INCOME, SPENDING, TRANSFER)


@dataclass(frozen=True, slots=True)
class SeedCategory:
    """One category of the taxonomy."""

    code: str
    name: str
    kind: str
    parent: str | None = None
    """The code of its primary category; None for a primary one."""


# Primary code, name, kind, and its detailed categories: `SUFFIX Name`, one a line.
_TREE = (
    (
        "INCOME",
        "Income",
        INCOME,
        """
        SALARY Salary
        CONTRACTOR Freelance and contract work
        GIG_ECONOMY Gig work
        MILITARY Military pay
        RENTAL Rent received
        DIVIDENDS Dividends
        INTEREST_EARNED Interest earned
        RETIREMENT_PENSION Pension
        CHILD_SUPPORT Child support received
        UNEMPLOYMENT Unemployment benefits
        LONG_TERM_DISABILITY Disability benefits
        TAX_REFUND Tax refunds
        OTHER Other income
        """,
    ),
    (
        "RENT_AND_UTILITIES",
        "Home and utilities",
        SPENDING,
        """
        RENT Rent
        GAS_AND_ELECTRICITY Gas and electricity
        WATER Water
        INTERNET_AND_CABLE Internet and cable
        TELEPHONE Phone
        SEWAGE_AND_WASTE_MANAGEMENT Sewage and waste
        OTHER_UTILITIES Other utilities
        """,
    ),
    (
        "FOOD_AND_DRINK",
        "Food and drink",
        SPENDING,
        """
        GROCERIES Groceries
        RESTAURANT Restaurants
        FAST_FOOD Fast food
        COFFEE Coffee
        BEER_WINE_AND_LIQUOR Beer, wine and spirits
        VENDING_MACHINES Vending machines
        OTHER_FOOD_AND_DRINK Other food and drink
        """,
    ),
    (
        "TRANSPORTATION",
        "Transport",
        SPENDING,
        """
        GAS Fuel
        PUBLIC_TRANSIT Public transport
        TAXIS_AND_RIDE_SHARES Taxis and ride shares
        PARKING Parking
        TOLLS Tolls
        BIKES_AND_SCOOTERS Bikes and scooters
        OTHER_TRANSPORTATION Other transport
        """,
    ),
    (
        "GENERAL_MERCHANDISE",
        "Shopping",
        SPENDING,
        """
        ONLINE_MARKETPLACES Online marketplaces
        SUPERSTORES Superstores
        DEPARTMENT_STORES Department stores
        DISCOUNT_STORES Discount stores
        CONVENIENCE_STORES Convenience stores
        CLOTHING_AND_ACCESSORIES Clothing and accessories
        ELECTRONICS Electronics
        BOOKSTORES_AND_NEWSSTANDS Books and newspapers
        GIFTS_AND_NOVELTIES Gifts
        OFFICE_SUPPLIES Office supplies
        PET_SUPPLIES Pet supplies
        SPORTING_GOODS Sports equipment
        TOBACCO_AND_VAPE Tobacco and vape
        OTHER_GENERAL_MERCHANDISE Other shopping
        """,
    ),
    (
        "HOME_IMPROVEMENT",
        "Home improvement",
        SPENDING,
        """
        FURNITURE Furniture
        HARDWARE Hardware and tools
        REPAIR_AND_MAINTENANCE Repairs and maintenance
        SECURITY Home security
        OTHER_HOME_IMPROVEMENT Other home improvement
        """,
    ),
    (
        "MEDICAL",
        "Health",
        SPENDING,
        """
        PRIMARY_CARE Doctors
        DENTAL_CARE Dentists
        EYE_CARE Eye care
        NURSING_CARE Nursing care
        PHARMACIES_AND_SUPPLEMENTS Pharmacies and supplements
        VETERINARY_SERVICES Vets
        OTHER_MEDICAL Other health
        """,
    ),
    (
        "PERSONAL_CARE",
        "Personal care",
        SPENDING,
        """
        GYMS_AND_FITNESS_CENTERS Gyms and fitness
        HAIR_AND_BEAUTY Hair and beauty
        LAUNDRY_AND_DRY_CLEANING Laundry and dry cleaning
        OTHER_PERSONAL_CARE Other personal care
        """,
    ),
    (
        "ENTERTAINMENT",
        "Entertainment",
        SPENDING,
        """
        TV_AND_MOVIES TV and movies
        MUSIC_AND_AUDIO Music and audio
        VIDEO_GAMES Video games
        SPORTING_EVENTS_AMUSEMENT_PARKS_AND_MUSEUMS Events, parks and museums
        CASINOS_AND_GAMBLING Gambling
        OTHER_ENTERTAINMENT Other entertainment
        """,
    ),
    (
        "TRAVEL",
        "Travel",
        SPENDING,
        """
        FLIGHTS Flights
        LODGING Hotels and lodging
        RENTAL_CARS Rental cars
        OTHER_TRAVEL Other travel
        """,
    ),
    (
        "GENERAL_SERVICES",
        "Services",
        SPENDING,
        """
        INSURANCE Insurance
        EDUCATION Education
        CHILDCARE Childcare
        AUTOMOTIVE Car service
        ACCOUNTING_AND_FINANCIAL_PLANNING Accounting and advice
        CONSULTING_AND_LEGAL Consulting and legal
        POSTAGE_AND_SHIPPING Postage and shipping
        STORAGE Storage
        OTHER_GENERAL_SERVICES Other services
        """,
    ),
    (
        "GOVERNMENT_AND_NON_PROFIT",
        "Taxes and giving",
        SPENDING,
        """
        TAX_PAYMENT Taxes
        DONATIONS Donations
        GOVERNMENT_DEPARTMENTS_AND_AGENCIES Government fees
        OTHER_GOVERNMENT_AND_NON_PROFIT Other taxes and giving
        """,
    ),
    (
        "LOAN_PAYMENTS",
        "Loan payments",
        SPENDING,
        """
        MORTGAGE_PAYMENT Mortgage
        CAR_PAYMENT Car loan or lease
        STUDENT_LOAN_PAYMENT Student loan
        PERSONAL_LOAN_PAYMENT Personal loan
        CREDIT_CARD_PAYMENT Credit card payment
        BNPL Buy now, pay later
        CASH_ADVANCES Cash advance repaid
        EWA Earned wage advance repaid
        OTHER_PAYMENT Other loan payment
        """,
    ),
    (
        "BANK_FEES",
        "Bank fees",
        SPENDING,
        """
        ATM_FEES Cash machine fees
        FOREIGN_TRANSACTION_FEES Foreign transaction fees
        INTEREST_CHARGE Interest charged
        LATE_FEES Late fees
        OVERDRAFT_FEES Overdraft fees
        INSUFFICIENT_FUNDS Returned payment fees
        CASH_ADVANCE Cash advance fees
        OTHER_BANK_FEES Other bank fees
        """,
    ),
    (
        "OTHER",
        "Other",
        SPENDING,
        """
        OTHER Uncategorized
        """,
    ),
    (
        "TRANSFER_IN",
        "Transfers in",
        TRANSFER,
        """
        ACCOUNT_TRANSFER From own account
        DEPOSIT Deposit
        SAVINGS From savings
        INVESTMENT_AND_RETIREMENT_FUNDS From investments
        TRANSFER_IN_FROM_APPS From payment apps
        WIRE Wire received
        OTHER_TRANSFER_IN Other transfer in
        """,
    ),
    (
        "TRANSFER_OUT",
        "Transfers out",
        TRANSFER,
        """
        ACCOUNT_TRANSFER To own account
        WITHDRAWAL Cash withdrawal
        SAVINGS To savings
        INVESTMENT_AND_RETIREMENT_FUNDS To investments
        CRYPTO To crypto
        TRANSFER_OUT_FROM_APPS To payment apps
        WIRE Wire sent
        OTHER_TRANSFER_OUT Other transfer out
        """,
    ),
    (
        "LOAN_DISBURSEMENTS",
        "Loans received",
        TRANSFER,
        """
        MORTGAGE Mortgage received
        AUTO Car loan received
        STUDENT Student loan received
        PERSONAL Personal loan received
        CASH_ADVANCES Cash advance received
        EWA Earned wage advance received
        OTHER_DISBURSEMENT Other loan received
        """,
    ),
)

# A card's purchases are the spending; paying its bill only moves money.
_KIND_OF = {"LOAN_PAYMENTS_CREDIT_CARD_PAYMENT": TRANSFER}

_NAMED_ANEW = {
    "INCOME_WAGES": "INCOME_SALARY",
    "INCOME_OTHER_INCOME": "INCOME_OTHER",
    "TRANSFER_IN_CASH_ADVANCES_AND_LOANS": "LOAN_DISBURSEMENTS_OTHER_DISBURSEMENT",
    "LOAN_DISBURSEMENTS_BNPL": "LOAN_PAYMENTS_BNPL",
}
"""Codes of version 1 and of early version 2 that have another name today."""


def _plant() -> tuple[SeedCategory, ...]:
    planted = []
    for primary, primary_name, kind, lines in _TREE:
        planted.append(SeedCategory(primary, primary_name, kind))
        for line in lines.strip().splitlines():
            suffix, _, name = line.strip().partition(" ")
            code = f"{primary}_{suffix}"
            planted.append(SeedCategory(code, name, _KIND_OF.get(code, kind), primary))
    return tuple(planted)


CATEGORIES = _plant()
"""18 primary and 127 detailed categories, each primary one before its children."""

_CODES = frozenset(category.code for category in CATEGORIES)
_PRIMARIES = sorted((name for name, *_ in _TREE), key=len, reverse=True)


def find(code: str) -> str | None:
    """Return the code of the taxonomy that a source's code means.

    Knows the names of version 1; an unknown detailed code becomes its primary one, since
    Plaid adds codes without notice. None if not even the primary one is known.
    """
    code = _NAMED_ANEW.get(code, code)
    if code in _CODES:
        return code
    return next((name for name in _PRIMARIES if code.startswith(name + "_")), None)
