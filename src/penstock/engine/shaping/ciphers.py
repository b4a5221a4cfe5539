"""Values replaced by digests and ciphertexts, as hexadecimal text.

A ciphertext is written as nonce (or IV), then what was encrypted, then GCM's tag: what a reader
needs with the key. GCM's nonces are 96 random bits (NIST SP 800-38D §8.2.2), IVs 128.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from collections.abc import Callable
from typing import Final

from penstock.engine.shaping.documents import AesConfig, RsaConfig
from penstock.errors import ConfigError, MissingDriver

Replace = Callable[[str], str]
"""From a value's text to the text that takes its place."""

SQL_DIGESTS: Final = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256"}
"""Those DuckDB computes itself, by the names Airbyte gives them."""
_DIGESTS: Final = {"SHA-224": "sha224", "SHA-384": "sha384", "SHA-512": "sha512"}
_METHODS: Final = (*SQL_DIGESTS, *_DIGESTS)


def check_digest(method: str) -> None:
    """Raises ConfigError for a digest there is none of."""
    if method not in _METHODS:
        raise ConfigError(
            f"There is no hashing by {method}.",
            remedy=f"Use one of: {', '.join(_METHODS)}."
            + (
                " MD2 is broken and no longer offered by any maintained library."
                if method == "MD2"
                else ""
            ),
        )


def digest(method: str) -> Replace:
    """Returns the function that gives a text's digest, of those DuckDB lacks."""
    name = _DIGESTS[method]
    return lambda text: hashlib.new(name, text.encode()).hexdigest()


def encryption(config: RsaConfig | AesConfig) -> Replace:
    """Returns the function that encrypts a text; raises ConfigError for a key that is none."""
    try:
        return _rsa(config) if isinstance(config, RsaConfig) else _aes(config)
    except ImportError as error:
        raise MissingDriver(
            "Encrypting fields needs the package cryptography.", remedy="pip install cryptography"
        ) from error


def _aes(config: AesConfig) -> Replace:
    from cryptography.hazmat.primitives import padding  # noqa: PLC0415 (only where used)
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    key = _bytes_of(config.key, "key", config.target_field)
    if len(key) not in (16, 24, 32):
        raise _wrong_key(config.target_field, f"it has {len(key)} bytes, not 16, 24 or 32")
    if config.mode == "GCM":
        gcm = AESGCM(key)

        def with_gcm(text: str) -> str:
            nonce = os.urandom(12)
            return (nonce + gcm.encrypt(nonce, text.encode(), None)).hex()

        return with_gcm
    if config.mode == "CBC" and config.padding == "NoPadding":
        raise ConfigError(
            f"AES in CBC mode cannot encrypt {config.target_field} without padding.",
            remedy="Use PKCS5Padding, or better mode GCM.",
        )
    algorithm = algorithms.AES(key)
    mode = modes.CBC if config.mode == "CBC" else modes.CTR

    def with_iv(text: str) -> str:
        iv, plain = os.urandom(16), text.encode()
        if config.mode == "CBC":
            padder = padding.PKCS7(128).padder()
            plain = padder.update(plain) + padder.finalize()
        encryptor = Cipher(algorithm, mode(iv)).encryptor()
        return (iv + encryptor.update(plain) + encryptor.finalize()).hex()

    return with_iv


def _rsa(config: RsaConfig) -> Replace:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    try:
        if "BEGIN" in config.public_key:
            key = serialization.load_pem_public_key(config.public_key.encode())
        else:
            der = _bytes_of(config.public_key, "public key", config.target_field)
            key = serialization.load_der_public_key(der)
    except ValueError as error:
        raise _wrong_key(config.target_field, "it is no public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise _wrong_key(config.target_field, "it is not RSA's")
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    longest = key.key_size // 8 - 2 * 32 - 2  # RFC 8017 §7.1.1

    def with_rsa(text: str) -> str:
        plain = text.encode()
        if len(plain) > longest:
            raise ConfigError(
                f"A value of {config.target_field} has {len(plain)} bytes; this RSA key encrypts"
                f" {longest} at most.",
                remedy="Use AES for long fields, or a longer RSA key.",
            )
        return key.encrypt(plain, oaep).hex()

    return with_rsa


def _bytes_of(text: str, what: str, field: str) -> bytes:
    try:
        return binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError) as error:
        raise _wrong_key(field, f"the {what} is not hexadecimal") from error


def _wrong_key(field: str, why: str) -> ConfigError:
    return ConfigError(
        f"The key to encrypt {field} cannot be used: {why}.",
        remedy="Make one with: openssl rand -hex 32 (AES) or openssl genrsa 3072 (RSA).",
    )
