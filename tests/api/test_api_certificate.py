"""Certificates and TLS settings: what is refused before anything starts, and what a context never does."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from api.certificates import new_key, write_certificate, write_key
from noghost.api.certificate import bare_context, secure, self_signed
from noghost.config import Config, Tls
from noghost.errors import ConfigError


def given(certificate: Path, key: Path) -> Config:
    return Config(tls=Tls(certificate, key))


def test_a_pair_is_taken(tmp_path: Path) -> None:
    key = new_key()
    secured = secure(given(write_certificate(tmp_path / "c", key), write_key(tmp_path / "k", key)))
    assert secured is not None
    assert len(secured.fingerprint.split(":")) == 32


def test_without_tls_there_is_none() -> None:
    assert secure(Config()) is None


def test_one_of_the_two_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="only one of certificate and key"):
        Tls(Path("certificate.pem"), None)


def test_the_key_of_another_certificate(tmp_path: Path) -> None:
    config = given(write_certificate(tmp_path / "c", new_key()), write_key(tmp_path / "k", new_key()))
    with pytest.raises(ConfigError, match="is not the one of the certificate"):
        secure(config)


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    key = new_key()
    config = given(write_certificate(tmp_path / "c", key), write_key(tmp_path / "k", key, b"secret"))
    with pytest.raises(ConfigError, match="has a password"):
        secure(config)


@pytest.mark.parametrize(("days", "words"), [((-3, -1), "has expired on"), ((1, 3), "is valid from")])
def test_a_certificate_that_is_not_valid_now(tmp_path: Path, days: tuple[int, int], words: str) -> None:
    key = new_key()
    config = given(write_certificate(tmp_path / "c", key, days=days), write_key(tmp_path / "k", key))
    with pytest.raises(ConfigError, match=words):
        secure(config)


def test_a_certificate_that_names_no_host(tmp_path: Path) -> None:
    key = new_key()
    config = given(write_certificate(tmp_path / "c", key, named=False), write_key(tmp_path / "k", key))
    with pytest.raises(ConfigError, match="names no host"):
        secure(config)


def test_files_that_are_missing_or_something_else(tmp_path: Path) -> None:
    key = new_key()
    certificate, private = write_certificate(tmp_path / "c", key), write_key(tmp_path / "k", key)
    with pytest.raises(ConfigError, match="cannot read"):
        secure(given(tmp_path / "none", private))
    with pytest.raises(ConfigError, match="there is no certificate in"):
        secure(given(private, private))
    with pytest.raises(ConfigError, match="there is no private key in"):
        secure(given(certificate, certificate))


def test_an_error_says_nothing_of_the_key(tmp_path: Path) -> None:
    private = write_key(tmp_path / "k", new_key()).read_text()
    (tmp_path / "broken").write_text(private.replace("A", "B"))
    with pytest.raises(ConfigError) as refused:
        secure(given(write_certificate(tmp_path / "c", new_key()), tmp_path / "broken"))
    assert private.splitlines()[1][:8] not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("host", "more"), [("127.0.0.1", []), ("192.0.2.7", ["192.0.2.7"]), ("0.0.0.0", []), ("box.example", [])]
)
def test_a_self_signed_one_names_the_address_and_loopback_only(host: str, more: list[str]) -> None:
    names = self_signed(host).chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert sorted(addresses) == sorted(["127.0.0.1", "::1", *more])
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", host} - {"127.0.0.1", "192.0.2.7", "0.0.0.0"}


def test_two_starts_have_two_keys() -> None:
    first, second = (self_signed("127.0.0.1").chain[0] for _ in range(2))
    assert first.public_key() != second.public_key()


def test_nothing_logs_session_keys_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: Python's own default context does obey the variable."""
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    control = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    assert control.keylog_filename == str(log)
    log.unlink()
    secured = secure(Config(tls=Tls()))  # a whole handshake is in it
    assert secured is not None
    assert secured.context.keylog_filename is None
    assert not log.exists()


def test_the_context_keeps_no_sessions_and_takes_nothing_old() -> None:
    context = bare_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_TICKET
