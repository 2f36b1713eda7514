"""A certificate for this machine, and the authority that signed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = timedelta(days=2)


class Certificate:
    """The files of a certificate: its trusted `authority`, the server's `chain`, and its `key`."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.chain = folder / "authority.pem", folder / "server.pem"
        self.key = folder / "server.key"
        signer, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        issuer = _named("Authority of a test")
        trusted = (
            _begun(issuer, issuer, signer.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(signer, hashes.SHA256())
        )
        names = (
            *(x509.DNSName(name) for name in ("localhost", "*.localhost")),
            x509.IPAddress(ip_address("127.0.0.1")),
        )
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        shown = (
            _begun(issuer, _named("localhost"), own.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(authority_key, critical=False)
            .sign(signer, hashes.SHA256())
        )
        self.authority.write_bytes(trusted.public_bytes(Encoding.PEM))
        self.chain.write_bytes(shown.public_bytes(Encoding.PEM))
        self.key.touch(0o600)
        self.key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Return a builder with the fields that all certificates have. A certificate becomes valid one
    minute before the present, because another clock may be behind.
    """
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + _DAYS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
