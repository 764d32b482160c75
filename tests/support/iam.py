"""A stand-in for the cloud's IAM service: it exchanges JWTs for tokens, and python3-jwt judges them as the cloud does
(PS256, a salt as long as the digest, audience, times)."""
import datetime
import email.utils
import json
import threading
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from upstream import Upstream

AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
WARNING = "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <{}>\n"


class ServiceAccountKey:
    """An authorized key: `file` is what `yc iam key create` writes."""

    def __init__(self, account: str, key_id: str = "ajekey1", warning: bool = False):
        self.account, self.key_id = account, key_id
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()).decode()
        self.public = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        self.pem = (WARNING.format(key_id) if warning else "") + pem
        self.file = json.dumps({"id": key_id, "service_account_id": account, "created_at": "2027-01-04T10:00:00Z",
                                "key_algorithm": "RSA_2048", "public_key": self.public, "private_key": self.pem})


class Iam(Upstream):
    """`keys`: those that it knows. `life`: of a token, in seconds. `ahead`: its clock before ours, in seconds."""

    def __init__(self, *keys: ServiceAccountKey, life: float = 3600, ahead: float = 0):
        self.keys = {key.key_id: key for key in keys}
        self.life, self.ahead = life, ahead
        self.issued: list[str] = []
        self.refused: list[str] = []
        self.fail: int | None = None  # a status to answer instead
        self.hang = False
        self.delay = 0.0
        self.closing = threading.Event()
        super().__init__(self._exchange)

    def close(self) -> None:
        self.closing.set()
        super().close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _exchange(self, request, wire):
        if self.hang:
            self.closing.wait(60)
            return False
        time.sleep(self.delay)
        now = time.time() + self.ahead
        headers = {"Content-Type": "application/json", "Date": email.utils.formatdate(now, usegmt=True)}
        if self.fail:
            wire.answer(self.fail, b'{"code": 14, "message": "try later"}', headers)
            return None
        try:
            assert request.method == "POST" and request.target == "/iam/v1/tokens", (request.method, request.target)
            assert request.get("Content-Type") == "application/json"
            assert request.get("Authorization") is None
            self._judge(json.loads(request.body), now)
        except Exception as error:  # noqa: BLE001: whatever is wrong is the caller's mistake
            self.refused.append(f"{type(error).__name__}: {error}")
            wire.answer(401, json.dumps({"code": 16, "message": f"JWT refused: {error}"}).encode(), headers)
            return None
        token = f"t1.secret-{len(self.issued) + 1}-{self.port}"
        self.issued.append(token)
        ends = datetime.datetime.fromtimestamp(now + self.life, datetime.timezone.utc)
        text = ends.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"  # nanoseconds, as the cloud has them
        wire.answer(200, json.dumps({"iamToken": token, "expiresAt": text}).encode(), headers)
        return None

    def _judge(self, body: dict, now: float) -> None:
        assert set(body) == {"jwt"}, body
        head = jwt.get_unverified_header(body["jwt"])
        assert head == {"typ": "JWT", "alg": "PS256", "kid": head["kid"]}, head
        key = self.keys[head["kid"]]
        claims = jwt.decode(body["jwt"], key.public, algorithms=["PS256"], audience=AUDIENCE,
                            options={"require": ["iss", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False})
        assert claims["iss"] == key.account, claims
        assert claims["aud"] == AUDIENCE
        assert claims["exp"] - claims["iat"] <= 3600, claims
        assert claims["iat"] <= now + 2, "issued in the future"
        assert claims["exp"] > now, "expired"
