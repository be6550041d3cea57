"""Words that banks put above columns and into them, in the languages we know.

Compared after `fold`: lower case, no accents, only letters and digits, single spaces.
"""

import re
import unicodedata
from functools import lru_cache

_EXTRA = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ß": "ss", "å": "a", "þ": "th", "ð": "d"}
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=20_000)
def fold(text: str) -> str:
    """Return `text` in the form in which words are compared."""
    lowered = _CAMEL.sub(" ", text[:200]).casefold().translate(_EXTRA)
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c)
    )
    return " ".join(_NOT_WORD.sub(" ", plain).split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(fold(part) for part in text.replace("\n", ",").split(",") if part.strip())


BOOKING_DATES = _phrases("""
    posting date, post date, posted date, posted, date posted, booking date, booked date,
    date booked,
    booked at, buchungstag, buchungsdatum, buchung, datum der buchung, datum buchung,
    date comptable,
    date de comptabilisation, data contabile, data registrazione, fecha contable,
    fecha operacion,
    fecha de operacion, f operacion, boekdatum, boekingsdatum, datum verrekening, bokforingsdag,
    bokforingsdatum, bokford, bogfort, bogforingsdato, bogfort dato, bokfort dato,
    bokforingsdato,
    data ksiegowania, data zaksiegowania, data operacji, datum zauctovani,
    datum zauctovani transakce,
    kirjauspaiva, konyveles datuma, konyvelesi datum, completed date, settlement date,
    settled date,
    data lancamento, data do lancamento, data movimento, bookingdate, posting_date, buchungsdat,
    processed date, process date, date processed, data de lancamento, datum transakce,
    entry date""")
DATES = _phrases("""
    date, transaction date, trans date, trans. date, tran date, txn date, value dt,
    effective date,
    datum, dato, data, fecha, dag, dia, date operation, date d operation, date de l operation,
    date de transaction, date transaction, date de la transaction, transaktionsdatum,
    transaktionsdag,
    belegdatum, kaufdatum, umsatzdatum, umsatztag, datum verrichting, transactiedatum,
    datum transactie, data operazione, data transazione, data mov, data transacao,
    data da transacao,
    data da operacao, fecha movimiento, fecha transaccion, fecha de la transaccion, inkopsdatum,
    transaktionsdato, transaksjonsdato, kobsdato, kjopsdato, data transakcji, datum provedeni,
    datum provedeni transakce, datum operace, datum splatnosti, paivamaara, pvm, maksupaiva,
    tranzakcio datuma, tranzakcio idopontja, teljesites datuma, data tranzactiei, kuupaev,
    datums,
    data i godzina operacji, date utc, date time, datetime, created, created at, created date,
    created on, started date, time, timestamp, when, date and time, reference date,
    tapahtumapaiva,
    purchase date, date of transaction, date initiated, date valeur operation, jour,
    datum uskutecneni,
    tarih, islem tarihi, ημερομηνια, дата, дата операции, дата платежа, 日期, 交易日期, 日付,
    交易时间""")
VALUE_DATES = _phrases("""
    value date, valuta, valutadatum, valuta datum, valutatag, valutadag, wertstellung,
    wertstellungsdatum, datum wertstellung, wert, date de valeur, date valeur, data valuta,
    fecha valor, f valor, data valor, rentedatum, rentedato, rentedag, data waluty,
    datum valuty,
    arvopaiva, erteknap, ertek nap, authorized date, interest date, valuutta pvm, valeur""")
AMOUNTS = _phrases("""
    amount, net, net amount, amt, transaction amount, trans amount, betrag, umsatz,
    buchungsbetrag,
    betrag eur, umsatz in eur, umsatz eur, summe, importe, monto, montant,
    montant de l operation,
    montant operation, importo, bedrag, valor, quantia, montante, belopp, belob, belop, kwota,
    kwota operacji, kwota transakcji, castka, castka v mene uctu, zauctovana castka, objem,
    summa,
    maara, maara euroa, maara eur, osszeg, tranzakcio osszege, suma, iznos, gross, total, value,
    amount eur, amount usd, amount gbp, cantidad, importe eur, importe euros, montant eur,
    montant en euros, bedrag eur, bedrag in eur, transactiebedrag, inflow, sum, money,
    tutar, ποσο,
    сумма, сумма операции, сумма платежа, 金额, 金額, transaction value, amount debit credit,
    paid in out, signed amount, account amount, amount in account currency, billing amount""")
DEBITS = _phrases("""
    debit, debits, debit amount, amount debit, withdrawal, withdrawals, withdrawal amount,
    paid out,
    money out, outflow, out, soll, lastschrift, belastung, belastungen, ausgaben, ausgang,
    cargo,
    cargos, debe, debit eur, montant debit, dare, addebiti, addebito, uscite, debet, debe eur,
    af, uttag, ut, utgift, ut fra konto, ut av konto, ud, haevet, udgift, obciazenia, wydatki,
    terheles, kiadas, debito, debitos, saida, saidas, spent, spend amount, withdrawals sgd,
    amount out, debit amt, withdrawal amt, odliv, vydaj, vydaje, otto, panot ja otot,
    egress, gasto,
    gastos, egresos, retiros, retiro, расход, payments out, depenses, depense, sortie, dr,
    belastet""")
CREDITS = _phrases("""
    credit, credits, credit amount, amount credit, deposit, deposits, deposit amount, paid in,
    money in, in, haben, gutschrift, gutschriften, einnahmen, eingang, abono, abonos, haber,
    montant credit, avere, accrediti, accredito, entrate, bij, insattning, inn, inkomst,
    inn pa konto, ind, indsat, indtaegt, uznania, wplywy, jovairas, bevetel, credito, creditos,
    entrada, entradas, received, deposits sgd, amount in, credit amt, deposit amt, prijem,
    prijmy,
    pano, ingreso, ingresos, depositos, приход, payments in, recettes, recette, entree, cr,
    gutgeschrieben, inkommande""")
BALANCES = _phrases("""
    balance, running balance, runningbalance, account balance, ending balance, balance after,
    closing balance, saldo, kontostand, saldo nach buchung, saldo na trn, saldo na mutatie,
    solde,
    saldo contabile, saldo disponible, saldo disponibel, bokfort saldo, bokford saldo,
    saldo efter,
    saldo po operacji, saldo po transakcji, zustatek, zustatek po transakci, zostatok, egyenleg,
    konyvelt egyenleg, sold, stanje, jaak, atlikums, likutis, available balance, ledger balance,
    balance eur, balance usd, saldo eur, balans, book balance, current balance, bakiye, остаток,
    余额, 残高""")
CURRENCIES = _phrases("""
    currency, ccy, currency code, iso currency code, wahrung, waehrung, whg, devise,
    moneda, divisa,
    valuta, munt, muntsoort, moeda, waluta, mena, mena uctu, devizanem, deviza,
    tranzakcio devizanem,
    valuutta, monnaie, buchungswahrung, account currency, transaction currency, valiuta,
    currency type,
    валюта, para birimi, 货币, 通貨""")
DESCRIPTIONS = _phrases("""
    description, transaction description, details, transaction details, detail, narrative,
    narration, particulars, text, buchungstext, verwendungszweck, zahlungsgrund, zweck,
    beschreibung, transaktionsbeschreibung, buchungsdetails, buchungsinformationen, umsatzinfo,
    vorgang verwendungszweck, libelle, libelle operation, detail de l ecriture, intitule,
    nature,
    communication, communications, concepto, descripcion, observaciones, movimiento,
    concepto ampliado,
    descrizione, causale, descrizione operazione, descrizione estesa, dettagli, omschrijving,
    mededeling, mededelingen, vrije mededeling, beschrijving, descricao, historico, lancamento,
    descritivo, beskrivning, meddelande, rubrik, tekst, beskrivelse, tekst 1, melding,
    meddelelse,
    opis, opis operacji, opis transakcji, tytul, tytulem, tytul operacji, popis, zprava,
    poznamka,
    zprava pro prijemce, zprava pro me, kozlemeny, megjegyzes, leiras, selitys, viesti, selite,
    saaja maksaja viesti, memo, notes, note, reason, desc, original description,
    bank description,
    message, remarks, remark, reference text, summary, title, purpose, payment reference,
    payment details, remittance information, omschrijving 1, omschrijving 2, omschrijving 3,
    descriere, detalii, selgitus, paskirtis, aciklama, описание, назначение платежа, 摘要, 说明,
    additional description, message for payee, message for me, client note, name description,
    naam omschrijving, items, item title, subject, type description,
    buchungstext verwendungszweck,
    additional info, additional information, bank statement description, statement description""")
COUNTERPARTIES = _phrases("""
    payee, payer, merchant, merchant name, counterparty, counterparty name, beneficiary,
    recipient,
    name, partner name, empfanger, auftraggeber, auftraggeber empfanger, beguenstigter,
    beguenstigter zahlungspflichtiger, beneficiary name, name zahlungsbeteiligter,
    zahlungsempfanger,
    zahlungspflichtiger, zahlungspflichtige r, zahlungsempfanger in, zahlungspflichtiger in,
    name des partners, partner, handelaar, naam tegenpartij, tegenpartij, naam,
    counteraccount name,
    beneficiaire, tiers, contrepartie, nom, beneficiario, ordenante, nombre,
    beneficiario ordenante,
    controparte, esercente, mottagare, avsandare, mottaker, avsender, modtager, afsender,
    nadawca,
    odbiorca, nadawca odbiorca, nazwa kontrahenta, kontrahent, dane kontrahenta,
    nazev protiuctu,
    prijemce, plnenec, protistrana, nazev protistrany, partner neve, saaja, maksaja,
    saaja maksaja,
    counterpart, paid to, from to, to from, store name, sender, to, payee name,
    beneficiario nome,
    counter party, transferee, empfaenger, nazwa odbiorcy, company, vendor, wallet, shop,
    контрагент, получатель, 商户, 对方""")
ACCOUNTS = _phrases("""
    account, account name, account number, account no, account no., account id, source account,
    konto, kontonummer, kontonr, auftragskonto, iban auftraggeberkonto, iban auftragskonto,
    rekening,
    rekeningnummer, iban bban, compte, numero de compte, n de compte, cuenta,
    numero de cuenta, conto,
    numero conto, conta, numero da conta, rachunek, numer rachunku, cislo uctu, ucet,
    szamlaszam,
    tilinumero, tili, kontonavn, iban, eigene iban, own account, from account, account_id,
    accountid,
    productid, kredietkaart, card number, card no, kartennummer, bank account, portfolio""")
REFERENCES = _phrases("""
    reference, ref, reference number, transaction id, transactionid, transaction reference, id,
    reference id, transaction number, transaction reference number, referenz, kundenreferenz,
    buchungsreferenz, end to end referenz, referencia, numero de referencia,
    reference operation,
    riferimento, transactiereferentie, volgnr, kenmerk, referens, verifikationsnummer,
    arkivreferanse,
    referencja, numer transakcji, numer referencyjny, id transakce, id operace, cislo transakce,
    referencni cislo transakce, megbizas azonosito, tranzakcio azonosito,
    arkistointitunnus, viite,
    check number, cheque number, checknumber, check no, check, num, receipt number, txn id,
    trn ref no,
    unique id, order id, transaction hash, archive id, tapahtumanumero, numero operazione,
    ref no,
    customer reference, bank reference, bankreferenz, sepa reference, confirmation number""")
DIRECTIONS = _phrases("""
    type, transaction type, debit credit, credit debit, dr cr, cr dr, d c, c d, soll haben, s h,
    af bij, bevetel kiadas, credit debit indicator, credit or debit, debit or credit, direction,
    debet credit, d k, sens, sens operation, in out, trans type, tran type, indicator, cd flag,
    signo, segno, dc, umsatzart, kierunek, credit debit code, dr or cr, income expense,
    in or out,
    transaction kind, debit credit indicator, drcr, sh, bij af, terheles jovairas""")
STATUSES = _phrases("""
    status, state, pending, transaction status, statut, estado, stato, stan, stav, tila,
    zustand,
    is pending, buchungsstatus, umsatz gebucht, booked status, statuss, allapot""")
# A money column under one of these is not what moved on the account.
NOT_AMOUNTS = _phrases("""
    original, orig, originalbetrag, foreign, fremdwahrung, fremdwaehrung, local, fee, fees, tax,
    commission, rate, kurs, exchange, wechselkurs, limit, refunded, converted, instructed,
    ursprungsbetrag, puvodni, uvodni, gebuhr, entgelt, poplatek, koers, wisselkoers,
    shipping, gift,
    vreemde, valuta bedrag, interest, quantity, units, price, shares, gebuehr, frais, comision,
    commissione, cambio, tasso, kosten, transfer, insurance, discount, tip, points, rewards,
    cashback, compensation, handling, opening, start, begin, anfangssaldo, percent,
    handelswaehrung,
    koszt, prowizja, oplata, arfolyam, amount refunded, amount reversed, sales tax, vat, mwst""")
OUT_WORDS = _phrases("""
    debit, debits, d, dr, db, deb, out, outflow, outgoing, af, s, soll, withdrawal,
    withdrawals, dare,
    debito, debet, charge, charges, expense, expenses, ausgabe, ausgaben, belastung, kiadas,
    terheles, check, cheque, atm, pos, fee, purchase, sale, spend, cargo, uscita,
    debit card, depense,
    lastschrift, obciazenie, paid, egreso, saida, uttag, uitgave, money out, debit transfer""")
IN_WORDS = _phrases("""
    credit, credits, c, cr, cred, in, inflow, incoming, bij, h, haben, deposit, deposits, avere,
    credito, kredit, k, income, einnahme, einnahmen, gutschrift, bevetel, jovairas, refund,
    return,
    abono, entrata, uznanie, received, recette, ingreso, entrada, insattning, inkomst, dep,
    directdep, dslip, int, interest, dividend, money in, credit transfer""")
PENDING_WORDS = _phrases("""
    pending, true, vorgemerkt, en attente, pendiente, in attesa, authorised, authorized,
    hold, held,
    processing, in progress, oczekujaca, reserviert, umsatz vorgemerkt, ventende,
    reserverat, avvaktar,
    cekajici, pendente, varattu, on hold, uncleared, in bearbeitung""")
VOID_WORDS = _phrases("""
    failed, declined, cancelled, canceled, denied, rejected, reverted, expired, voided,
    void, refused,
    storniert, abgelehnt, annule, refuse, rechazado, cancelado, anulado, rifiutato, annullato,
    geweigerd, odrzucona, anulowana, zamitnuto, blocked, error""")
# What a card calls the money that comes in to pay its bill.
PAYMENT_WORDS = _phrases("""
    payment thank you, payment received, thank you, autopay, automatic payment, online payment,
    payment from, zahlung erhalten, zahlungseingang, paiement recu, pago recibido,
    pagamento recebido,
    pagamento ricevuto, betaling ontvangen, direct debit payment, bill payment received,
    internet payment, mobile payment thank, paiement, einzahlung, inbetalning, e payment""")
CARD_WORDS = _phrases("""
    credit card, creditcard, kreditkarte, card member, cardmember, cardholder, name on card,
    carte de credit, carte bancaire, kreditkort, tarjeta de credito, carta di credito,
    kredietkaart,
    kaarthouder, purchased by, card no, card number, order id, shipping""")
CARD_BRANDS = _phrases("visa, mastercard, amex, american express")

NON_ASCII_WORDS = tuple(
    "währung empfänger gebühr übertrag überweisung verfügbar prüf größe getätigt schlüssel länder "
    "libellé débit crédit opération référence détail écriture bénéficiaire "
    "descripción operación débito crédito número descrição lançamento histórico saída "
    "bokföring insättning mottagare överföring belopp beløb bogført køb modtager beløp "
    "bokført kjøp "
    "kwota księgowania odbiorca tytuł płatność rachunek obciążenia wpłaty "
    "částka účtu protiúčtu zaúčtování provedení měna poznámka zpráva číslo položka spojení "
    "název zůstatek symbol příjemce původní částka dátum suma účet "
    "összeg dátuma számlaszám közlemény tranzakció devizaneme értéknap egyenleg "
    "määrä päivämäärä kirjauspäivä arvopäivä selitys "
    "дата сумма описание валюта остаток операции".split()
)
"""Words whose letters tell 8-bit encodings apart."""
