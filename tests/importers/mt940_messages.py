"""Write messages of MT940 as a bank does, and read them."""

from app.importers import mt940
from app.importers.base import StatementFile

ROW = ":61:2601050105D10,00NTRFNONREF\n:86:Groceries\n"


def message(
    rows: str = ROW,
    *,
    account: str = "DE02120300000000202051",
    opening: str = ":60F:C260102EUR100,00",
    closing: str = ":62F:C260105EUR90,00",
) -> str:
    return f":20:STARTUMS\n:25:{account}\n:28C:1/1\n{opening}\n{rows}{closing}\n-\n"


def parse(*messages: str) -> StatementFile:
    return mt940.parse("".join(messages).encode())
