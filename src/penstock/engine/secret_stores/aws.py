"""AWS Secrets Manager: `${aws:NAME#FIELD}`, by botocore, which finds credentials as the AWS CLI."""

from __future__ import annotations

from typing import Any, Final

from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    MissingDriver,
    PenstockError,
    TransientError,
)

_GONE: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
_BUSY: Final = frozenset(
    {"ThrottlingException", "InternalServiceError", "InternalServiceErrorException"}
)
_WRONG: Final = frozenset({"ValidationException", "InvalidParameterException"})
_REMEDY: Final = (
    "Check the name and the region (AWS_REGION), and that `aws secretsmanager get-secret-value` "
    "works for the same user."
)


def read(name: str) -> str:
    """Returns a secret's newest value; `name` is a name or an ARN, which says its region."""
    try:
        import botocore.exceptions  # noqa: PLC0415 (29 MB that only this needs)
        import botocore.session  # noqa: PLC0415
    except ImportError as error:
        raise MissingDriver(
            "${aws:…} needs botocore.", remedy='pip install "penstock[aws]"'
        ) from error
    region = name.split(":")[3] if name.startswith("arn:") else None
    try:
        client: Any = botocore.session.get_session().create_client(
            "secretsmanager", region_name=region
        )
        found = client.get_secret_value(SecretId=name)
    except botocore.exceptions.ClientError as error:
        raise _told(str(error.response.get("Error", {}).get("Code", "")), name) from error
    except (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.TokenRetrievalError,
    ) as error:
        raise AccessDenied("Nobody is signed in to AWS.", remedy=_REMEDY) from error
    except botocore.exceptions.NoRegionError as error:
        raise ConfigError("No region of AWS is chosen.", remedy="Set AWS_REGION.") from error
    except botocore.exceptions.HTTPClientError as error:
        raise ConnectionFailed(
            "AWS Secrets Manager cannot be reached.", remedy="Check the network, and AWS_REGION."
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        raise ConfigError(f"AWS cannot be asked: {error}", remedy=_REMEDY) from error
    if "SecretString" in found:
        return str(found["SecretString"])
    try:
        return bytes(found["SecretBinary"]).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"The secret {name} of AWS is no text.", remedy="Keep text.") from error


def _told(code: str, name: str) -> PenstockError:
    if code in _GONE:
        return ConfigError(f"AWS has no secret {name} ({code}).", remedy=_REMEDY)
    if code in _BUSY:
        return TransientError(f"AWS cannot answer now ({code}).", remedy="Try again later.")
    if code in _WRONG:
        return ConfigError(f"AWS does not take the name {name} ({code}).", remedy=_REMEDY)
    return AccessDenied(f"AWS refuses the secret {name} ({code}).", remedy=_REMEDY)
