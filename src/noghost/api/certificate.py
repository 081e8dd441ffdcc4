"""The certificate and the TLS settings of a service. In the warden, before any fork but the reaper's.

Covered: TLS 1.3 alone, so that every session has keys of its own, which are gone with the instance; no session
tickets and no resumption, whose keys would live as long as the warden; no log of session keys, whatever the
environment asks for; a certificate that callers would refuse is refused here, before anything starts.
Not covered: the private key is in the warden's memory and so in every instance's: an instance that is taken over can
read it, and then be taken for this service until the certificate is replaced. It cannot read what others said: it
would have to be in their connections as they happen. Not noticed: a certificate that expires while the service runs.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from noghost.config import Config, Tls
from noghost.errors import ConfigError

LIFE = timedelta(days=365)  # of a self-signed one; a restart makes another
SKEW = timedelta(hours=1)  # for callers whose clock is behind
OWN_NAMES = ("localhost", "127.0.0.1", "::1")  # not the machine's own name: whoever connects would learn it


@dataclass(frozen=True, slots=True)
class Secured:
    """What a service speaks TLS with."""

    context: ssl.SSLContext
    fingerprint: str  # SHA-256 of the certificate, as openssl writes it: AB:CD:…


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds the key
class Pair:
    """A chain of certificates, the service's own first, and the private key of that."""

    chain: list[x509.Certificate]
    key: PrivateKeyTypes


def secure(config: Config) -> Secured | None:
    """What the configuration asks for, rehearsed; None without TLS. Raises ConfigError."""
    if config.tls is None:
        return None
    pair = read_pair(config.tls.certificate, config.tls.key) if both(config.tls) else self_signed(config.host)
    context = bare_context()
    load(context, pair)
    rehearse(context)
    digest = pair.chain[0].fingerprint(hashes.SHA256())
    return Secured(context, digest.hex(":").upper())


def bare_context() -> ssl.SSLContext:
    """The settings, without a certificate."""
    forget_key_log()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    return context


def forget_key_log() -> None:
    """Whatever the environment asks for: Python's default contexts obey it, and OpenSSL itself can be built to."""
    os.environ.pop("SSLKEYLOGFILE", None)


def load(context: ssl.SSLContext, pair: Pair) -> None:
    """Give a chain and its key to OpenSSL, which takes files only: one in memory. Raises ConfigError."""
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in pair.chain)
    key = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = os.memfd_create("noghost-certificate", os.MFD_CLOEXEC)
    try:
        os.write(file, chain + key)
        context.load_cert_chain(f"/proc/self/fd/{file}", password=b"")
    except ssl.SSLError as refused:
        reason = (refused.reason or "unknown").lower().replace("_", " ")
        raise ConfigError(f"OpenSSL does not take the certificate ({reason})", "make one with a P-256 key") from None
    finally:
        os.pwrite(file, bytes(len(chain) + len(key)), 0)
        os.close(file)


def both(tls: Tls) -> bool:
    """Files are given."""
    return tls.certificate is not None


def read_pair(certificate: Path | None, key: Path | None) -> Pair:
    """A chain and its key from PEM files, as a caller will want them. Raises ConfigError with the file."""
    assert certificate is not None
    assert key is not None
    pair = Pair(read_chain(certificate), read_key(key))
    own = pair.chain[0]
    if own.public_key() != pair.key.public_key():
        raise ConfigError(f"the key in {key} is not the one of the certificate in {certificate}", "give the pair")
    now = datetime.now(UTC)
    if now > own.not_valid_after_utc:
        raise ConfigError(f"the certificate in {certificate} has expired on {day(own.not_valid_after_utc)}", "renew it")
    if now < own.not_valid_before_utc:
        begins = day(own.not_valid_before_utc)
        raise ConfigError(f"the certificate in {certificate} is valid from {begins} on", "see to this machine's clock")
    with suppress(x509.ExtensionNotFound):
        own.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return pair
    hint = "make one with a subjectAltName: callers look for the host's name there and nowhere else"
    raise ConfigError(f"the certificate in {certificate} names no host", hint)


def read_chain(path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file; ConfigError."""
    try:
        return x509.load_pem_x509_certificates(read(path))
    except ValueError:
        raise ConfigError(f"there is no certificate in {path}", "give a PEM file, the service's own first") from None


def read_key(path: Path) -> PrivateKeyTypes:
    """The private key of a PEM file; ConfigError. What is wrong with it is not repeated: it is a key."""
    try:
        return serialization.load_pem_private_key(read(path), None)
    except TypeError:
        hint = "take the password off: `openssl pkey -in FILE -out NEW`, and give NEW mode 0600"
        raise ConfigError(f"the key in {path} has a password", hint) from None
    except ValueError:
        raise ConfigError(f"there is no private key in {path}", "give a PEM file with the key") from None


def read(path: Path) -> bytes:
    """A file's bytes; ConfigError."""
    try:
        return path.read_bytes()
    except OSError as refused:
        raise ConfigError(f"cannot read {path} ({refused.strerror})", "give files that this user can read") from None


def self_signed(host: str) -> Pair:
    """A new P-256 key and its certificate, in memory alone, for the address that is listened on and loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "noghost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair([certificate], key)


def names(host: str) -> list[x509.GeneralName]:
    """What a self-signed certificate is for; "every address" is nobody's name."""
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys((host, *OWN_NAMES)):
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            found.append(x509.DNSName(name))
        else:
            found += [] if address.is_unspecified else [x509.IPAddress(address)]
    return found


def day(moment: datetime) -> str:
    """2026-01-31."""
    return moment.strftime("%Y-%m-%d")


def rehearse(context: ssl.SSLContext) -> None:
    """One handshake in memory and one that fails: OpenSSL loads much at its first, and an instance opens no file."""
    for greeting in (b"", b"\x16\x03\x01\x00\x02no"):
        caller = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        caller.check_hostname, caller.verify_mode = False, ssl.CERT_NONE
        shake_hands(caller, context, greeting)


def shake_hands(
    caller: ssl.SSLContext, service: ssl.SSLContext, greeting: bytes = b"", name: str | None = None
) -> None:
    """In memory, as far as the two get; `greeting`: what the service hears first. `name`: whom the caller means."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [caller.wrap_bio(back, there, server_hostname=name), service.wrap_bio(there, back, server_side=True)]
    if greeting:
        there.write(greeting)
        ends.reverse()
    for end in ends * 2:
        with suppress(ssl.SSLError):
            end.do_handshake()
