"""The simulated households: who they are, what they have and what repeats in their lives.

Amounts are in minor units. A plan's amount is what leaves its account (income is negative);
on a card or loan account a positive amount raises the debt.
"""

from dataclasses import dataclass, field

FIRST_PLATYPUS = "ins_109508"
HARBOR = "ins_900001"
CARDINAL = "ins_900002"
NORTHLIGHT = "ins_900003"
EVERGREEN = "ins_900004"
MOSAIC = "ins_900005"
CANAL = "ins_900006"


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account of a household."""

    key: str
    institution_id: str
    name: str
    type: str
    subtype: str
    mask: str
    opening: int
    """Balance at the start, as the bank states it; owed money is positive on debt."""
    official_name: str | None = None
    limit: int | None = None
    currency: str = "USD"
    rate: int = 0
    """Yearly interest in hundredths of a percent."""
    principal: int = 0
    """Of a loan: what was borrowed."""
    contribution: int = 0
    """Of an investment account: what flows in each month."""
    available: int | None = None
    """What is available is fixed at this, whatever happens."""
    hides_available: bool = False
    unofficial_currency: str | None = None
    from_payroll: bool = False
    """Whether the contribution comes from the employer and not from checking."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A payment that repeats."""

    key: str
    account: str
    amount: int
    every: str
    """`month:15`, `semimonth:1,15`, `biweek:4` (Friday), `week:0`, `quarter:15`, `year:4-15`."""
    text: str
    category: str
    party: str
    party_type: str = "merchant"
    """`merchant`, or the type of another counterparty."""
    channel: str = "other"
    jitter: int = 0
    """Percent by which the amount varies."""
    raise_percent: int = 0
    """The amount grows by this each January."""
    steps: tuple[tuple[int, int], ...] = ()
    """Price changes: from this many months after the start, this amount."""
    first_month: int = 0
    last_month: int = 10_000
    to: str | None = None
    """Key of the own account that receives the money: a transfer between own accounts."""
    to_text: str = ""
    to_category: str = ""
    missing_percent: int = 0
    """How often an occurrence does not happen."""


@dataclass(frozen=True, slots=True, eq=False)
class Household:
    """One login and the life behind it."""

    login: str
    title: str
    story: str
    years: int
    city: str
    region: str
    postal_code: str
    accounts: tuple[AccountPlan, ...]
    plans: tuple[Plan, ...]
    habits: dict[str, float] = field(default_factory=dict)
    """Visits a week to each group of merchants."""
    spends_from: tuple[tuple[str, int], ...] = (("checking", 1),)
    """Accounts that pay for habits, with weights."""
    trips: tuple[str, ...] = ()
    """Countries visited, one trip a year, in turn."""
    trip_account: str = "card"
    seed: int = 1


def _pay(key: str, amount: int, every: str, text: str, employer: str, **more: object) -> Plan:
    return Plan(
        key, "checking", -amount, every, text, "INCOME_SALARY", employer, "income_source",
        raise_percent=3, **more,  # type: ignore[arg-type]  # the fields of Plan by name
    )  # fmt: skip


def _bill(
    key: str, amount: int, day: int, text: str, category: str, party: str, **more: object
) -> Plan:
    return Plan(
        key, str(more.pop("account", "checking")), amount, f"month:{day}", text, category, party,
        **more,  # type: ignore[arg-type]  # the fields of Plan by name
    )  # fmt: skip


_UTILITIES = "RENT_AND_UTILITIES_"
_TV = "ENTERTAINMENT_TV_AND_MOVIES"


def _streaming(account: str, *, music: bool = True) -> tuple[Plan, ...]:
    """Subscriptions whose price rises over the years."""
    plans = [
        _bill("netflix", 1399, 7, "NETFLIX.COM", _TV, "Netflix", account=account,
              channel="online", steps=((14, 1549), (34, 1799), (70, 1999))),
        _bill("cloud", 299, 19, "APPLE.COM/BILL ICLOUD", "GENERAL_SERVICES_OTHER_GENERAL_SERVICES",
              "Apple", account=account, channel="online", steps=((20, 399),)),
        Plan("prime", account, 11900, "year:7-12", "AMAZON PRIME*MEMBERSHIP",
             "GENERAL_MERCHANDISE_ONLINE_MARKETPLACES", "Amazon", channel="online",
             steps=((26, 13900),)),
    ]  # fmt: skip
    if music:
        plans.append(
            _bill("spotify", 999, 3, "SPOTIFY USA", "ENTERTAINMENT_MUSIC_AND_AUDIO", "Spotify",
                  account=account, channel="online", steps=((18, 1099), (40, 1199)))
        )  # fmt: skip
    return tuple(plans)


def _house_bills() -> tuple[Plan, ...]:
    return (
        _bill("power", 11800, 12, "CITY LIGHT UTIL PYMT WEB", _UTILITIES + "GAS_AND_ELECTRICITY",
              "City Light", jitter=35),
        _bill("water", 6900, 22, "MUNI WATER DIST BILLPAY", _UTILITIES + "WATER", "Muni Water",
              jitter=15),
        _bill("internet", 6999, 9, "COMCAST CABLE COMM", _UTILITIES + "INTERNET_AND_CABLE",
              "Comcast", steps=((13, 7499), (31, 8199))),
        _bill("phone", 8500, 17, "VERIZON WRLS PYMT", _UTILITIES + "TELEPHONE", "Verizon",
              jitter=4),
    )  # fmt: skip


def _savings_transfer(amount: int, day: int = 2) -> Plan:
    return Plan(
        "to_savings", "checking", amount, f"month:{day}", "ONLINE TRANSFER TO SAV {mask}",
        "TRANSFER_OUT_SAVINGS", "Own savings", "financial_institution", to="savings",
        to_text="ONLINE TRANSFER FROM CHK {mask}", to_category="TRANSFER_IN_SAVINGS",
    )  # fmt: skip


def _loan(key: str, amount: int, day: int, text: str, category: str, lender: str) -> Plan:
    return Plan(
        f"{key}_payment", "checking", amount, f"month:{day}", text, category, lender,
        "financial_institution", to=key, to_text="PAYMENT RECEIVED - THANK YOU",
        to_category=category,
    )  # fmt: skip


FAMILY = Household(
    "demo_family", "The Okafor-Lind family",
    "Two salaries, a mortgage, two cards, savings and retirement. Five years.",
    5, "Seattle", "WA", "98103",
    (
        AccountPlan("checking", HARBOR, "Everyday Checking", "depository", "checking", "4821",
                    642_318, "Harbor & Pine Everyday Checking"),
        AccountPlan("savings", HARBOR, "Rainy Day Savings", "depository", "savings", "7740",
                    1_850_000, "Harbor & Pine High Yield Savings", rate=385),
        AccountPlan("mortgage", HARBOR, "Home Loan", "loan", "mortgage", "0093", 38_240_000,
                    "30 Year Fixed Mortgage", rate=412, principal=42_500_000),
        AccountPlan("card", CARDINAL, "Cardinal Cash", "credit", "credit card", "1007", 84_217,
                    "Cardinal Cash Rewards Visa", limit=1_500_000, rate=2199),
        AccountPlan("card2", CARDINAL, "Cardinal Voyager", "credit", "credit card", "3391", 21_940,
                    "Cardinal Voyager Signature", limit=2_200_000, rate=2349),
        AccountPlan("brokerage", NORTHLIGHT, "Brokerage", "investment", "brokerage", "5512",
                    2_400_000, "Northlight Individual Brokerage", contribution=60_000),
        AccountPlan("retirement", NORTHLIGHT, "Cascade Systems 401(k)", "investment", "401k",
                    "8804", 5_200_000, "Cascade Systems Retirement Plan", contribution=145_000,
                    from_payroll=True),
    ),
    (
        _pay("salary_ada", 312_840, "biweek:4", "CASCADE SYSTEMS DES:PAYROLL ID:XXXXX{mask}",
             "Cascade Systems"),
        _pay("salary_jon", 214_500, "semimonth:15,31", "SEATTLE SCHOOL DIST PAYROLL",
             "Seattle School District"),
        _loan("mortgage", 258_940, 1, "HARBOR PINE MTG PMT 0093", "LOAN_PAYMENTS_MORTGAGE_PAYMENT",
              "Harbor & Pine Bank"),
        _savings_transfer(60_000),
        _bill("childcare", 142_000, 5, "LITTLE ACORNS PRESCHOOL ACH",
              "GENERAL_SERVICES_CHILDCARE", "Little Acorns", steps=((12, 151_000), (24, 162_500)),
              last_month=44),
        _bill("insurance", 18_420, 20, "PEMCO INSURANCE PREM", "GENERAL_SERVICES_INSURANCE",
              "PEMCO", raise_percent=6),
        _bill("gym", 7_900, 1, "SUMMIT CLIMBING MEMBERSHIP",
              "PERSONAL_CARE_GYMS_AND_FITNESS_CENTERS", "Summit Climbing Gym", account="card"),
        *_streaming("card"), *_house_bills(),
        Plan("property_tax", "checking", 312_255, "year:4-30", "KING CO TREASURY PROPERTY TAX",
             "GOVERNMENT_AND_NON_PROFIT_TAX_PAYMENT", "King County", raise_percent=4),
        Plan("tax_refund", "checking", -182_300, "year:3-21", "IRS TREAS 310 TAX REF",
             "INCOME_TAX_REFUND", "IRS", "income_source", jitter=25),
        Plan("charity", "card", 5_000, "month:25", "KUOW PUBLIC RADIO",
             "GOVERNMENT_AND_NON_PROFIT_DONATIONS", "KUOW", channel="online"),
    ),
    {"groceries": 3.2, "coffee": 3.5, "restaurants": 1.6, "fastfood": 1.4, "fuel": 1.3,
     "shopping": 2.4, "transport": 1.2, "health": 0.6, "home": 0.5, "fun": 0.8, "travel": 0.12},
    (("card", 6), ("card2", 2), ("checking", 1)), ("FR", "JP", "GB"), "card2", seed=11,
)  # fmt: skip

DECADE = Household(
    "demo_decade", "Ruth Abernathy",
    "Ten years at one bank: two jobs, a move from rent to a condominium, thousands of coffees.",
    10, "Portland", "OR", "97214",
    (
        AccountPlan("checking", EVERGREEN, "Evergreen Checking", "depository", "checking", "2210",
                    318_420, "Evergreen Trust Free Checking"),
        AccountPlan("savings", EVERGREEN, "Evergreen Savings", "depository", "savings", "2228",
                    640_000, "Evergreen Trust Savings", rate=210),
        AccountPlan("card", EVERGREEN, "Evergreen Rewards", "credit", "credit card", "9006",
                    46_118, "Evergreen Rewards Mastercard", limit=900_000, rate=2049),
        AccountPlan("mortgage", EVERGREEN, "Condo Mortgage", "loan", "mortgage", "6170",
                    31_000_000, "30 Year Fixed", rate=365, principal=32_800_000),
        AccountPlan("ira", EVERGREEN, "Roth IRA", "investment", "roth", "7711", 900_000,
                    "Evergreen Roth IRA", contribution=50_000),
    ),
    (
        _pay("salary_library", 326_220, "biweek:3", "MULTNOMAH CO PAYROLL PPD {mask}",
             "Multnomah County", last_month=62),
        _pay("salary_press", 345_700, "semimonth:15,31", "FOREST AVENUE PRESS DIRECT DEP",
             "Forest Avenue Press", first_month=63),
        _loan("mortgage", 187_655, 3, "EVERGREEN TRUST MORTGAGE", "LOAN_PAYMENTS_MORTGAGE_PAYMENT",
              "Evergreen Trust"),
        _savings_transfer(35_000),
        _bill("hoa", 28_500, 6, "LAURELHURST HOA DUES", "RENT_AND_UTILITIES_OTHER_UTILITIES",
              "Laurelhurst HOA", raise_percent=4),
        _bill("insurance", 9_610, 20, "STATE FARM RO 27 SFPP", "GENERAL_SERVICES_INSURANCE",
              "State Farm", raise_percent=5),
        *_streaming("card"), *_house_bills(),
        Plan("tax_refund", "checking", -94_100, "year:4-2", "IRS TREAS 310 TAX REF",
             "INCOME_TAX_REFUND", "IRS", "income_source", jitter=40),
        Plan("cleaner", "checking", 9_000, "biweek:1", "ZELLE TO MARISOL G",
             "TRANSFER_OUT_TRANSFER_OUT_FROM_APPS", "Zelle", "payment_app", first_month=30),
        Plan("cash", "checking", 6_000, "week:5", "ATM WITHDRAWAL 00{mask} PORTLAND OR",
             "TRANSFER_OUT_WITHDRAWAL", "Evergreen Trust", "financial_institution",
             missing_percent=40),
    ),
    {"groceries": 4.2, "coffee": 6.5, "restaurants": 2.2, "fastfood": 2.4, "fuel": 1.1,
     "shopping": 3.6, "transport": 3.4, "health": 0.8, "home": 0.5, "fun": 1.3, "travel": 0.16},
    (("card", 5), ("checking", 2)), ("GB", "FR", "JP"), "card", seed=12,
)  # fmt: skip

STUDENT = Household(
    "demo_student", "Theo Park",
    "First year after moving out: gig work, roommates, a student loan. One year.",
    1, "Austin", "TX", "78705",
    (
        AccountPlan("checking", MOSAIC, "Mosaic Free Checking", "depository", "checking", "6065",
                    212_050, "Mosaic Student Checking"),
        AccountPlan("savings", MOSAIC, "Mosaic Share Savings", "depository", "savings", "6066",
                    90_500, "Mosaic Share Account", rate=25),
        AccountPlan("student_loan", MOSAIC, "Student Loan", "loan", "student", "4410", 2_140_000,
                    "Direct Subsidized Loan", rate=499, principal=2_400_000),
    ),
    (
        Plan("gig", "checking", -21_400, "week:2", "UBER EDI PAYMNT {mask}", "INCOME_GIG_ECONOMY",
             "Uber", "income_source", jitter=45),
        _pay("library_job", 104_250, "biweek:4", "UT AUSTIN PAYROLL", "UT Austin"),
        _bill("rent", 78_500, 1, "ZELLE TO CAMERON RENT", "RENT_AND_UTILITIES_RENT", "Zelle"),
        _bill("phone", 3_000, 14, "MINT MOBILE", "RENT_AND_UTILITIES_TELEPHONE", "Mint Mobile"),
        _loan("student_loan", 24_860, 21, "DEPT EDUCATION STUDENT LN",
              "LOAN_PAYMENTS_STUDENT_LOAN_PAYMENT", "Department of Education"),
        _savings_transfer(5_000, 5), *_streaming("checking"),
    ),
    {"groceries": 2.0, "coffee": 3.0, "fastfood": 3.6, "restaurants": 0.7, "transport": 2.8,
     "shopping": 1.4, "fun": 1.1, "health": 0.2, "fuel": 0.5}, seed=13,
)  # fmt: skip

FREELANCER = Household(
    "demo_freelancer", "Inès Moreau",
    "Designer with clients on two continents, a euro account and quarterly taxes. Three years.",
    3, "San Francisco", "CA", "94110",
    (
        AccountPlan("checking", FIRST_PLATYPUS, "Business Checking", "depository", "checking",
                    "3300", 1_120_400, "Platypus Business Checking"),
        AccountPlan("savings", FIRST_PLATYPUS, "Tax Savings", "depository", "savings", "3318",
                    900_000, "Platypus Business Savings", rate=300),
        AccountPlan("card", FIRST_PLATYPUS, "Business Card", "credit", "credit card", "7702",
                    120_480, "Platypus Business Platinum", limit=2_500_000, rate=1999),
        AccountPlan("euro", CANAL, "Compte Courant", "depository", "checking", "0716", 214_500,
                    "Banque du Canal Compte Courant", currency="EUR"),
    ),
    (
        Plan("client_lumen", "checking", -640_000, "month:8", "LUMEN STUDIOS ACH CREDIT INV{mask}",
             "INCOME_CONTRACTOR", "Lumen Studios", "income_source", jitter=30, missing_percent=8),
        Plan("client_atlas", "checking", -320_000, "month:24", "WIRE IN ATLAS COLLECTIVE LLC",
             "INCOME_CONTRACTOR", "Atlas Collective", "income_source", jitter=45,
             missing_percent=20),
        Plan("client_paris", "euro", -210_000, "month:12", "VIR SEPA ATELIER BLEU",
             "INCOME_CONTRACTOR", "Atelier Bleu", "income_source", jitter=20, missing_percent=10),
        _bill("rent", 295_000, 1, "AVENUE PROPERTY MGMT RENT", "RENT_AND_UTILITIES_RENT",
              "Avenue Property Management", raise_percent=4),
        _bill("studio", 38_000, 4, "DOGPATCH COWORK", "RENT_AND_UTILITIES_RENT", "Dogpatch Cowork",
              account="card"),
        _bill("storage_eu", 4_500, 6, "PRLV SEPA BOX STOCKAGE", "GENERAL_SERVICES_STORAGE",
              "Box Stockage", account="euro"),
        _bill("train_eu", 7_900, 18, "CB SNCF INTERNET", "TRANSPORTATION_PUBLIC_TRANSIT", "SNCF",
              account="euro", jitter=50, missing_percent=50),
        Plan("estimated_tax", "checking", 260_000, "quarter:15", "IRS USATAXPYMT EST",
             "GOVERNMENT_AND_NON_PROFIT_TAX_PAYMENT", "IRS", jitter=12),
        _savings_transfer(80_000, 10), *_streaming("card"), *_house_bills(),
    ),
    {"groceries": 2.2, "coffee": 4.0, "restaurants": 1.8, "fastfood": 1.2, "shopping": 1.6,
     "transport": 2.6, "software": 1.1, "travel": 0.35, "fun": 0.8, "health": 0.3},
    (("card", 5), ("checking", 1)), ("FR", "GB"), "card", seed=14,
)  # fmt: skip

RETIRED = Household(
    "demo_retired", "Harold and June Whitfield",
    "Pension, Social Security, dividends and grandchildren. Seven years.",
    7, "Tucson", "AZ", "85716",
    (
        AccountPlan("checking", HARBOR, "Golden Checking", "depository", "checking", "5151",
                    820_000, "Harbor & Pine Golden Checking"),
        AccountPlan("savings", HARBOR, "Money Market", "depository", "money market", "5169",
                    4_410_000, "Harbor & Pine Money Market", rate=410),
        AccountPlan("card", CARDINAL, "Cardinal Classic", "credit", "credit card", "8452", 30_415,
                    "Cardinal Classic Visa", limit=1_000_000, rate=1899),
        AccountPlan("ira", NORTHLIGHT, "Rollover IRA", "investment", "ira", "2093", 18_500_000,
                    "Northlight Rollover IRA"),
    ),
    (
        Plan("pension", "checking", -214_080, "month:1", "AZ STATE RETIREMENT PENSION",
             "INCOME_RETIREMENT_PENSION", "Arizona State Retirement", "income_source",
             raise_percent=2),
        Plan("social_security", "checking", -187_300, "month:11", "SSA TREAS 310 XXSOC SEC",
             "INCOME_RETIREMENT_PENSION", "Social Security", "income_source", raise_percent=3),
        _bill("medicare", 35_900, 3, "AETNA MEDICARE SUPP", "GENERAL_SERVICES_INSURANCE", "Aetna",
              raise_percent=7),
        _savings_transfer(40_000, 15), *_streaming("card", music=False), *_house_bills(),
        Plan("grandchildren", "checking", 10_000, "year:12-18", "CHECK", "TRANSFER_OUT_WITHDRAWAL",
             "Check", "financial_institution", jitter=30),
        _bill("church", 8_000, 7, "ST PHILIPS OFFERING", "GOVERNMENT_AND_NON_PROFIT_DONATIONS",
              "St Philips"),
    ),
    {"groceries": 2.6, "coffee": 1.0, "restaurants": 1.5, "fuel": 0.7, "shopping": 1.1,
     "health": 1.6, "home": 0.4, "fun": 0.3, "travel": 0.08},
    (("card", 3), ("checking", 2)), ("GB",), "card", seed=15,
)  # fmt: skip

DEMO = (FAMILY, DECADE, STUDENT, FREELANCER, RETIRED)
"""The five households offered on the Link page."""


def _plaid_accounts() -> tuple[AccountPlan, ...]:
    """The accounts of Plaid's own sandbox user."""
    bank = FIRST_PLATYPUS
    return (
        AccountPlan("checking", bank, "Plaid Checking", "depository", "checking", "0000", 210_000,
                    "Plaid Gold Standard 0% Interest Checking"),
        AccountPlan("savings", bank, "Plaid Saving", "depository", "savings", "1111", 21_000,
                    "Plaid Silver Standard 0.1% Interest Saving", rate=10),
        AccountPlan("cd", bank, "Plaid CD", "depository", "cd", "2222", 100_000,
                    "Plaid Bronze Standard 0.2% Interest CD", rate=20),
        AccountPlan("card", bank, "Plaid Credit Card", "credit", "credit card", "3333", 41_000,
                    "Plaid Diamond 12.5% APR Interest Credit Card", limit=200_000, rate=1250),
        AccountPlan("ira", bank, "Plaid IRA", "investment", "ira", "5555", 32_076,
                    contribution=5_000, from_payroll=True),
        AccountPlan("retirement", bank, "Plaid 401k", "investment", "401k", "6666", 2_363_198,
                    contribution=20_000, from_payroll=True),
        AccountPlan("student_loan", bank, "Plaid Student Loan", "loan", "student", "7777",
                    6_526_200, rate=525, principal=7_000_000),
        AccountPlan("mortgage", bank, "Plaid Mortgage", "loan", "mortgage", "8888", 5_630_265,
                    rate=399, principal=9_000_000),
    )  # fmt: skip


GOOD = Household(
    "user_good", "Plaid's test user", "The accounts of Plaid's sandbox. Two years.",
    2, "San Francisco", "CA", "94103", _plaid_accounts(),
    (
        _pay("salary", 190_000, "biweek:4", "GUSTO PAY 123456", "Gusto"),
        _loan("mortgage", 61_415, 1, "PLATYPUS MORTGAGE PMT", "LOAN_PAYMENTS_MORTGAGE_PAYMENT",
              "First Platypus Bank"),
        _loan("student_loan", 71_815, 5, "DEPT EDUCATION STUDENT LN",
              "LOAN_PAYMENTS_STUDENT_LOAN_PAYMENT", "Department of Education"),
        _savings_transfer(2_500), *_streaming("card"),
    ),
    {"coffee": 1.0, "fastfood": 1.0, "transport": 1.0, "groceries": 1.0, "fuel": 0.4},
    (("card", 1), ("checking", 2)), seed=21,
)  # fmt: skip

YUPPIE = Household(
    "user_yuppie", "Plaid's young professional", "City life on cards. Two years.",
    2, "New York", "NY", "10003", FAMILY.accounts[:2] + FAMILY.accounts[3:6],
    (
        _pay("salary", 412_000, "semimonth:15,31", "BIGTECH INC PAYROLL", "BigTech"),
        _bill("rent", 285_000, 1, "BROOKLYN LOFTS RENT", "RENT_AND_UTILITIES_RENT",
              "Brooklyn Lofts"),
        _savings_transfer(50_000), *_streaming("card"), *_house_bills(),
    ),
    {"coffee": 6.0, "restaurants": 4.0, "fastfood": 2.0, "transport": 5.0, "groceries": 2.0,
     "shopping": 3.0, "fun": 2.5, "travel": 0.3},
    (("card", 3), ("card2", 2)), ("FR", "JP"), "card2", seed=22,
)  # fmt: skip

SMALL_BUSINESS = Household(
    "user_small_business", "Plaid's small business", "A studio with clients and rent. Two years.",
    2, "Denver", "CO", "80205", FREELANCER.accounts[:3], FREELANCER.plans[:2]
    + FREELANCER.plans[3:5] + FREELANCER.plans[7:9],
    {"software": 3.0, "shopping": 1.5, "fuel": 1.0, "restaurants": 1.0, "travel": 0.4},
    (("card", 3), ("checking", 1)), seed=23,
)  # fmt: skip

EARLY_WAGES = Household(
    "user_ewa_user", "Plaid's early-wage user", "Weekly pay with advances. One year.",
    1, "Phoenix", "AZ", "85004", STUDENT.accounts[:2],
    (
        Plan("pay", "checking", -68_400, "week:4", "WAREHOUSE CO PAYROLL", "INCOME_SALARY",
             "Warehouse Co", "income_source", jitter=12),
        Plan("advance", "checking", -10_000, "biweek:1", "EARNIN ACTIVEHOURS",
             "LOAN_DISBURSEMENTS_EWA", "EarnIn", "financial_institution", missing_percent=25),
        Plan("repay", "checking", 10_000, "biweek:4", "EARNIN REPAYMENT", "LOAN_PAYMENTS_EWA",
             "EarnIn", "financial_institution", missing_percent=25),
        _bill("rent", 92_500, 2, "SUNRISE APTS RENT", "RENT_AND_UTILITIES_RENT", "Sunrise Apts"),
        _savings_transfer(2_000),
    ),
    {"groceries": 2.0, "fastfood": 4.0, "fuel": 1.5, "shopping": 1.0, "coffee": 1.0}, seed=24,
)  # fmt: skip

HOUSEHOLDS = {each.login: each for each in (*DEMO, GOOD, YUPPIE, SMALL_BUSINESS, EARLY_WAGES)}
"""Every login that has a generated life."""
