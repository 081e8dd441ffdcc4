"""Certificates for the tests: real ones, made when they are needed."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> Path:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how))
    return path


def write_certificate(
    path: Path,
    key: ec.EllipticCurvePrivateKey,
    *,
    days: tuple[int, int] = (-1, 10),
    named: bool = True,
    authority: bool = False,
    signed_by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
) -> Path:
    """Self-signed, or signed by another; valid from and until so many days from now; `named`: for 127.0.0.1."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority" if authority else "test")])
    issuer, issuer_key = (signed_by[0].subject, signed_by[1]) if signed_by else (name, key)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
    if named:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path.write_bytes(builder.sign(issuer_key, hashes.SHA256()).public_bytes(PEM))
    return path


def write_pair(folder: Path) -> tuple[str, ...]:
    """The options of a service with a certificate and key in `folder`."""
    key = new_key()
    certificate = write_certificate(folder / "certificate.pem", key)
    return ("--tls-cert", str(certificate), "--tls-key", str(write_key(folder / "key.pem", key)))


def write_signed(folder: Path) -> None:
    """An authority and a certificate of 127.0.0.1 that it signed: authority.pem, chain.pem, key.pem."""
    authority_key, key = new_key(), new_key()
    authority = write_certificate(folder / "authority.pem", authority_key, authority=True)
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    chain = write_certificate(folder / "chain.pem", key, signed_by=(issuer, authority_key))
    chain.write_bytes(chain.read_bytes() + authority.read_bytes())
    write_key(folder / "key.pem", key)
