"""Settings of the installation, read once from the environment; the only reader of it."""

import base64
import binascii
import ipaddress
import re
from decimal import Decimal
from functools import cached_property
from typing import Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.secret_files import SecretFileSource

SECRET_BYTES_MIN = 32
OPENAI_URL = "https://api.openai.com/v1"
AUDIT_DAYS_MIN = 366
"""Of the audit trail no younger event can be deleted: the database refuses it too."""
_GATEWAY = re.compile(r"http://([a-z0-9._-]+|\[[0-9a-f:.]+\]):[0-9]{1,5}/?", re.IGNORECASE)
_PLACEHOLDERS = ("changethis", "change-me", "changeme", "your-", "your_", "secret", "example")


class Settings(BaseSettings):
    """All that an operator may set; documented in docs/reference/settings.md."""

    model_config = SettingsConfigDict(
        env_file=".env", case_sensitive=True, extra="ignore", frozen=True, env_ignore_empty=True,
        # What is wrong with a secret must not be told by showing it.
        hide_input_in_errors=True,
    )  # fmt: skip

    APP_ENV: Literal["production", "development"] = "production"
    """Production refuses weak secrets and writes logs as JSON."""
    DEBUG: bool = False
    """Writes everything to the logs, whatever LOG_LEVEL says; adds nothing to answers."""
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important messages that are written."""

    DATABASE_URL: SecretStr
    """`postgresql://user:password@host:5432/fintech_app`; PostgreSQL 15 to 18."""
    DATABASE_POOLER_URL: str = ""
    """`postgresql://pgbouncer:6432`, in transaction mode, for requests and jobs; login and database
    are those of DATABASE_URL, where migrations and backups go past it. Empty: there is none."""
    DATABASE_REPLICA_URL: str = ""
    """`postgresql://replica:5432`, a streaming replica, for reports and exports, which only read;
    login and database are those of DATABASE_URL. Empty: there is none."""
    DATABASE_REPLICA_LAG_SECONDS_MAX: int = Field(default=1, ge=0, le=60)
    """How long a report waits for a replica that lags; then it reads from the database itself."""
    DATABASE_POOL_SIZE: int = Field(default=20, ge=1, le=200)
    """Connections of one process, and the number of requests it serves at a time."""
    DATABASE_STATEMENT_TIMEOUT_SECONDS: int = Field(default=10, ge=1, le=3600)
    """A statement of a request that takes longer is cancelled, the request answered with 503."""
    DATABASE_WORKER_STATEMENT_TIMEOUT_SECONDS: int = Field(default=60, ge=1, le=3600)
    """The same for jobs, commands, and requests that book or take back whole files."""
    REDIS_URL: SecretStr = SecretStr("redis://localhost:6379/0")
    """Broker and live events; holds nothing that may not be lost."""

    SECRET_KEY: SecretStr
    """Signs tokens; at least 32 random bytes."""
    ENCRYPTION_KEYS: SecretStr = SecretStr("")
    """`id:base64` of 32 random bytes, comma-separated, newest first; wraps each household's key.
    Empty: derived from SECRET_KEY, which then cannot be changed without losing bank access."""
    ALGORITHM: Literal["HS256"] = "HS256"
    """How access tokens are signed; there is no other choice."""
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(default=30, ge=1, le=24 * 60)
    """How long an access token of the API is valid."""
    REFRESH_TOKEN_EXPIRE_DAYS: int = Field(default=30, ge=1, le=365)
    """How long an API client may refresh its token before it has to log in again."""
    SESSION_IDLE_HOURS: int = Field(default=24, ge=1, le=24 * 30)
    """A browser that asked for nothing so long has to sign in again."""
    SESSION_DAYS_MAX: int = Field(default=30, ge=1, le=365)
    """How long a browser stays signed in, however much it is used."""
    API_TOKEN_REQUESTS_PER_MINUTE: int = Field(default=300, ge=1, le=60_000)
    """How many requests a minute each API token may make; as many at once, then 429."""
    RECENT_SIGN_IN_MINUTES: int = Field(default=5, ge=1, le=60)
    """How long a sign-in or confirmation suffices to link a bank, export, or change a factor."""
    PASSWORD_LENGTH_MIN: int = Field(default=12, ge=8, le=128)
    """Characters that a new password needs; easily guessed ones are refused at any length."""
    ARGON2_MEMORY_KIB: int = Field(default=19_456, ge=19_456, le=1_048_576)
    """Memory of one password hash; two are computed at a time. Raising it rehashes at sign-in."""
    REGISTRATION_OPEN: bool = True
    """Whether strangers may create an account on this server."""

    OIDC_ISSUER: str = ""
    """An OpenID Connect provider where people may sign in, exactly as its discovery document calls
    itself; see docs/guides/sign-in-with-oidc.md. Empty: there is none."""
    OIDC_CLIENT_ID: str = ""
    """What this server is called there."""
    OIDC_CLIENT_SECRET: SecretStr = SecretStr("")
    """From the provider, for this server alone."""
    OIDC_NAME: str = "OpenID Connect"
    """What the button on the sign-in page calls the provider."""
    OIDC_TRUSTS_EMAIL: bool = False
    """Whether an address that the provider has verified opens the account with that address, if it
    was confirmed here too. Only where nobody else can have the provider verify such an address."""
    OIDC_CREATES_USERS: bool = False
    """Whether people whom nobody here knows get an account of their own."""
    OIDC_EMAIL_DOMAINS: str = ""
    """Whose addresses may get such an account, comma-separated; empty: all."""

    PUBLIC_URL: str = "http://localhost:8000"
    """Where people reach the pages; https outside this machine."""
    TRUSTED_HOSTS: str = ""
    """Further host names that may appear in the Host header, comma-separated."""
    TRUSTED_PROXIES: str = "127.0.0.1"
    """Addresses whose X-Forwarded-* headers count, comma-separated."""
    DOCS_ENABLED: bool = True
    """Whether /docs, /redoc and /openapi.json are served."""
    METRICS_TOKEN: SecretStr = SecretStr("")
    """When set, /metrics asks for it as a bearer token; empty: only loopback may read it."""

    PLAID_CLIENT_ID: str = ""
    """From Plaid's dashboard; empty: the bank simulator stands in."""
    PLAID_SECRET: SecretStr = SecretStr("")
    """From Plaid's dashboard, the one that belongs to PLAID_ENV."""
    PLAID_ENV: Literal["sandbox", "production"] = "sandbox"
    """Which of Plaid's environments is asked."""
    PLAID_BASE_URL: str = ""
    """Overrides Plaid's address; `fintech up` puts the bank simulator here."""
    WEBHOOK_BASE_URL: str = ""
    """Where Plaid can reach us from outside, when it is not PUBLIC_URL."""
    SYNC_INTERVAL_MINUTES: int = Field(default=360, ge=5, le=7 * 24 * 60)
    """How often each Item is synced without being asked to."""

    OUTBOUND_ALLOWED_HOSTS: str = ""
    """`host:port` of servers that people may connect by an address of their choice though they are
    not public or not https, comma-separated; `fintech up` puts the bank simulator here."""
    OUTBOUND_ALLOWED_NETWORKS: str = ""
    """Private networks, as `192.168.7.0/24`, whose https servers people may connect,
    comma-separated."""
    OUTBOUND_PROXY: str = ""
    """`http://gateway:3128`, through which requests to providers, to servers that people chose and
    to error trackers go; it looks names up, and has to refuse private addresses. Empty: none."""

    WEBHOOK_RETENTION_DAYS: int = Field(default=30, ge=1, le=3650)
    """How long webhooks are kept, to deduplicate and explain."""
    SESSION_RETENTION_DAYS: int = Field(default=30, ge=1, le=3650)
    """How long sessions are kept once they ended, with their addresses and browsers."""
    LINK_SESSION_RETENTION_DAYS: int = Field(default=90, ge=1, le=3650)
    """How long link flows are kept once they are over."""
    IDEMPOTENCY_KEY_RETENTION_DAYS: int = Field(default=1, ge=1, le=30)
    """How long a request may be sent again under its Idempotency-Key and get its first answer."""
    SYNC_RUN_RETENTION_DAYS: int = Field(default=400, ge=30, le=3650)
    """How long syncs that brought nothing are kept; the others belong to the ledger's history."""

    AUDIT_RETENTION_DAYS: int = Field(default=0, ge=0, le=36_500)
    """How long events of the audit trail are kept, at least 366; what proves that no other one went
    stays. 0: as long as their household."""

    ERASED_HOUSEHOLDS_FILE: str = ""
    """A file, best beside the backups, that names erased households, so that `fintech restore`
    erases them again. Empty: they are in the log alone."""
    AUDIT_DIGEST_FILE: str = ""
    """A file, best on another disk, to which each household's last audit link is added every hour;
    `fintech verify` compares. Empty: they go to the log."""

    SMTP_URL: SecretStr = SecretStr("")
    """Server for mail: `smtps://user:password@host`, or `smtp://…` with STARTTLS; without TLS, for
    a relay in the same network, `smtp+plain://host`. Empty: notices stand on their page alone."""
    MAIL_FROM: str = ""
    """From whom mail is; empty: `no-reply` at PUBLIC_URL's host."""

    SENTRY_DSN: str = ""
    """Where unexpected errors are reported, to Sentry or GlitchTip; empty: to the logs alone."""
    ROLLBAR_ACCESS_TOKEN: str = ""
    """Of a Rollbar project, with the scope `post_server_item`; errors go there when it is set."""
    ROLLBAR_URL: str = "https://api.rollbar.com/api/1/item/"
    """Where Rollbar takes items."""
    BUGSNAG_API_KEY: str = ""
    """Of a Bugsnag project; errors go there when it is set."""
    BUGSNAG_URL: str = "https://notify.bugsnag.com/"
    """Where Bugsnag takes reports; one of your own has another address."""

    OTEL_EXPORTER_OTLP_ENDPOINT: str = ""
    """Base address of an OpenTelemetry collector that takes OTLP over HTTP, such as
    `http://collector:4318`; New Relic, Datadog and others have one. Empty: no traces."""
    OTEL_EXPORTER_OTLP_HEADERS: str = ""
    """What the collector wants to be sent, such as `api-key=…`; `name=value`, comma-separated."""
    OTEL_TRACES_PERCENT: int = Field(default=10, ge=0, le=100)
    """How many of a hundred requests and scheduled tasks are traced, with all that they cause."""

    OPENAI_API_KEY: SecretStr = SecretStr("")
    """Of a language model's server; empty, with OPENAI_BASE_URL as it is: nobody is asked, and
    everything works without one."""
    OPENAI_BASE_URL: str = OPENAI_URL
    """Where that server is, OpenAI's or one that speaks its chat completions, such as
    `http://ollama:11434/v1`; one of your own may want no key."""
    OPENAI_MODEL: str = "gpt-5-mini"
    """Which of its models is asked."""
    OPENAI_DOLLARS_PER_MILLION_INPUT: Decimal = Field(default=Decimal("0.25"), ge=0, le=10_000)
    """What a million tokens cost that the model reads, to tell what was spent; 0 on your own."""
    OPENAI_DOLLARS_PER_MILLION_OUTPUT: Decimal = Field(default=Decimal("2.00"), ge=0, le=10_000)
    """The same for tokens that it writes."""
    OPENAI_QUESTIONS_PER_DAY: int = Field(default=100, ge=1, le=100_000)
    """How often a day each household may ask; as many at once."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Look at arguments, then the environment, then the files it names, then `.env`."""
        del file_secret_settings
        files = SecretFileSource(settings_cls)
        return init_settings, env_settings, files, dotenv_settings

    @field_validator("DATABASE_URL")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        if urlsplit(value.get_secret_value()).scheme not in ("postgresql", "postgres"):
            raise ValueError("must start with postgresql://")
        return value

    @field_validator("DATABASE_POOLER_URL", "DATABASE_REPLICA_URL")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        url = urlsplit(value)
        if value and not (url.scheme in ("postgresql", "postgres") and url.hostname):
            raise ValueError("must look like postgresql://host:port")
        if url.username or url.password:
            raise ValueError("must name no login: that of DATABASE_URL is used")
        return value

    @field_validator("AUDIT_RETENTION_DAYS")
    @classmethod
    def _is_over_a_year(cls, value: int) -> int:
        if 0 < value < AUDIT_DAYS_MIN:
            raise ValueError(f"must be at least {AUDIT_DAYS_MIN}, or 0 to keep the trail")
        return value

    @field_validator("OIDC_ISSUER")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        url = urlsplit(value)
        is_near = url.scheme == "http" and url.hostname in ("localhost", "127.0.0.1", "::1")
        if value and not (is_near or (url.scheme == "https" and url.hostname)):
            raise ValueError("must look like https://sso.example.org/realms/home")
        return value

    @field_validator("OPENAI_BASE_URL")
    @classmethod
    def _is_base_address(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise ValueError("must look like https://api.openai.com/v1")
        if url.username or url.password:
            raise ValueError("must name no login: OPENAI_API_KEY is the key")
        return value.rstrip("/")

    @field_validator("SENTRY_DSN")
    @classmethod
    def _is_dsn(cls, value: str) -> str:
        url = urlsplit(value)
        is_whole = url.scheme in ("http", "https") and url.username and url.hostname
        if value and not (is_whole and url.path.rpartition("/")[2].isdecimal()):
            raise ValueError("must look like https://key@host/1")
        return value

    @field_validator("SMTP_URL")
    @classmethod
    def _is_mail_server(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            return value
        url = urlsplit(value.get_secret_value())
        if url.scheme not in ("smtp", "smtps", "smtp+plain") or not url.hostname:
            raise ValueError("must look like smtps://user:password@host")
        if url.scheme == "smtp+plain" and url.username:
            raise ValueError("sends no password without TLS: use smtp:// or smtps://")
        return value

    @field_validator("ENCRYPTION_KEYS")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        parse_keys(value.get_secret_value())
        return value

    @field_validator("OUTBOUND_ALLOWED_HOSTS")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        parse_hosts(value)
        return value

    @field_validator("OUTBOUND_ALLOWED_NETWORKS")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("OUTBOUND_PROXY")
    @classmethod
    def _is_gateway(cls, value: str) -> str:
        if value and not _GATEWAY.fullmatch(value):
            raise ValueError("OUTBOUND_PROXY must be http://host:port, without a password")
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        """Refuse to run in production with secrets that anybody could guess."""
        if self.APP_ENV != "production":
            return self
        secret = self.SECRET_KEY.get_secret_value()
        if len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"SECRET_KEY is shorter than {SECRET_BYTES_MIN} bytes: {_MEND}")
        if any(word in secret.lower() for word in _PLACEHOLDERS) or len(set(secret)) < 10:
            raise ValueError(f"SECRET_KEY is a placeholder: {_MEND}")
        if self.OIDC_ISSUER and not (
            self.OIDC_CLIENT_ID and self.OIDC_CLIENT_SECRET.get_secret_value()
        ):
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET")
        url = urlsplit(self.PUBLIC_URL)
        if url.scheme != "https" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("PUBLIC_URL must be https outside this machine")
        return self

    @property
    def log_level(self) -> str:
        """The least important messages that are written."""
        return "DEBUG" if self.DEBUG else self.LOG_LEVEL

    @cached_property
    def sqlalchemy_url(self) -> str:
        """The database address with the driver that we use."""
        _, _, rest = self.DATABASE_URL.get_secret_value().partition("://")
        return f"postgresql+psycopg://{rest}"

    @cached_property
    def pooler_url(self) -> str:
        """The pooler's address with login, database and driver; empty if there is none."""
        return _moved(self.sqlalchemy_url, self.DATABASE_POOLER_URL)

    def go_past_pooler(self) -> None:
        """Let this process talk to PostgreSQL itself; before `app.core.database` is loaded.

        A pooler leads to the databases that it knows, which one that is restored aside is not.
        """
        self.__dict__["pooler_url"] = ""  # as if there were none

    @cached_property
    def replica_url(self) -> str:
        """The replica's address with login, database and driver; empty if there is none."""
        return _moved(self.sqlalchemy_url, self.DATABASE_REPLICA_URL)

    @cached_property
    def is_https(self) -> bool:
        """Whether people reach us over TLS; decides the cookie's name and flags."""
        return urlsplit(self.PUBLIC_URL).scheme == "https"

    @cached_property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Host names that a request may carry."""
        host = urlsplit(self.PUBLIC_URL).hostname or "localhost"
        more = (name.strip() for name in self.TRUSTED_HOSTS.split(","))
        return tuple({host, "localhost", "127.0.0.1", *filter(None, more)})

    @cached_property
    def oidc_domains(self) -> tuple[str, ...]:
        """Domains whose addresses may get an account through OIDC; empty: all."""
        names = (name.strip().lower().lstrip("@") for name in self.OIDC_EMAIL_DOMAINS.split(","))
        return tuple(filter(None, names))

    @cached_property
    def has_language_model(self) -> bool:
        """Whether there is one to ask: a key is set, or a server of the operator's own."""
        return bool(self.OPENAI_API_KEY.get_secret_value() or self.OPENAI_BASE_URL != OPENAI_URL)

    @cached_property
    def language_model_host(self) -> str:
        """Who gets what is asked, in words for people: a host, with its port if it has one."""
        return urlsplit(self.OPENAI_BASE_URL).netloc

    @cached_property
    def outbound_hosts(self) -> frozenset[tuple[str, int]]:
        """Hosts and ports that people may connect besides public ones."""
        return parse_hosts(self.OUTBOUND_ALLOWED_HOSTS)

    @cached_property
    def outbound_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Private networks whose https servers people may connect."""
        return parse_networks(self.OUTBOUND_ALLOWED_NETWORKS)

    @cached_property
    def plaid_url(self) -> str:
        """The address of Plaid's API, or of what stands in for it."""
        return self.PLAID_BASE_URL or f"https://{self.PLAID_ENV}.plaid.com"

    @cached_property
    def has_practice_banks(self) -> bool:
        """Whether linking opens the bank simulator, with invented people."""
        return bool(self.PLAID_BASE_URL)

    @cached_property
    def webhook_url(self) -> str | None:
        """Where Plaid sends webhooks; None when it could not reach us anyway."""
        base = (self.WEBHOOK_BASE_URL or self.PUBLIC_URL).rstrip("/")
        local = urlsplit(base).hostname in ("localhost", "127.0.0.1", "::1")
        if local and not self.PLAID_BASE_URL:
            return None
        return f"{base}/webhooks/plaid"


def _moved(url: str, place: str) -> str:
    """Return the address of a database with another host, and database or parameters if named."""
    if not place:
        return ""
    whole, other = urlsplit(url), urlsplit(place)
    login, at, _ = whole.netloc.rpartition("@")
    # A host among the parameters would go before the one that we name.
    kept = [each for each in parse_qsl(whole.query) if each[0] not in ("host", "hostaddr", "port")]
    return whole._replace(
        netloc=f"{login}{at}{other.netloc}",
        path=other.path.rstrip("/") or whole.path,
        query=other.query or urlencode(kept),
    ).geturl()


_MEND = "generate one with `python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`"


def parse_keys(text: str) -> dict[str, bytes]:
    """Read `id:base64,…` into keys of 32 bytes, in order, the current one first.

    Raises:
        ValueError: An entry has another form, a key another length, or an id repeats.
    """
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not name or len(name) > 16 or len(key) != SECRET_BYTES_MIN or name in keys:
            raise ValueError("ENCRYPTION_KEYS must be id:base64 of 32 bytes, comma-separated")
        keys[name] = key
    return keys


def parse_hosts(text: str) -> frozenset[tuple[str, int]]:
    """Read `host:port,…`.

    Raises:
        ValueError: An entry has another form.
    """
    hosts = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ValueError("OUTBOUND_ALLOWED_HOSTS must be host:port, comma-separated")
        hosts.add((host.strip("[]").lower(), int(port)))
    return frozenset(hosts)


def parse_networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Read `10.0.0.0/8,…`.

    Raises:
        ValueError: An entry is no network.
    """
    entries = filter(None, (part.strip() for part in text.split(",")))
    try:
        return tuple(ipaddress.ip_network(entry) for entry in entries)
    except ValueError as error:
        raise ValueError(f"OUTBOUND_ALLOWED_NETWORKS: {error}") from None


settings = Settings()
