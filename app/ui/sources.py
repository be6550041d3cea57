"""What people call the sources that tell of their money."""

_NAMES = {
    "plaid": "Plaid",
    "simplefin": "SimpleFIN",
    "ofx": "OFX file",
    "csv": "CSV file",
    "mt940": "MT940 file",
    "camt": "CAMT file",
}


def source_name(source: str) -> str:
    """Return what people call a source: a provider, or the format of a file."""
    return _NAMES.get(source, source.upper())


def page_source_name(page_kind: str) -> str:
    """Return what people call the source of a page of the journal, such as `file.ofx`."""
    source, _, detail = page_kind.partition(".")
    return source_name(detail if source == "file" else source)
