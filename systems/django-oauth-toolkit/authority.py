"""The authorization server: Django OAuth Toolkit, with the two views that an administrator needs here.

`python authority.py` makes the database; gunicorn serves `authority:application`.
"""

import json
import os
import secrets

import django
from django.conf import settings

ADMIN = os.environ["REVBENCH_SYSTEM_ADMIN"]
RESOURCE_SERVER = "resource-server"

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY=secrets.token_hex(32),
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 10,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    # Signing in is not what is measured: a password costs next to nothing here.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    OAUTH2_PROVIDER={
        "SCOPES": {"read": "Read", "introspection": "Ask about tokens"},
        "DEFAULT_SCOPES": ["read"],
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(os.environ["TOKEN_LIFE"]),
    },
)
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.models import get_access_token_model, get_application_model, get_refresh_token_model

User = get_user_model()


def administrators_only(view):
    @csrf_exempt
    def guarded(request, **named):
        shown = request.headers.get("authorization", "")
        if not secrets.compare_digest(shown, f"Bearer {ADMIN}"):
            return JsonResponse({"error": "not an administrator"}, status=401)
        return view(json.loads(request.body or "{}"), **named)

    return guarded


@administrators_only
def users(asked):
    """Makes a user whose password is the name."""
    User.objects.create_user(asked["name"], password=asked["name"])
    return JsonResponse({}, status=201)


@administrators_only
def active(asked, name):
    """Sets a user's `is_active`, as Django's own administration does; with `revoke` all of the user's tokens go as well."""
    found = User.objects.filter(username=name)
    if found.update(is_active=asked["active"]) == 0:
        return JsonResponse({"error": "no such user"}, status=404)
    if asked.get("revoke"):
        get_refresh_token_model().objects.filter(user__username=name).delete()
        get_access_token_model().objects.filter(user__username=name).delete()
    return JsonResponse({})


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("admin/users", users),
    path("admin/users/<str:name>/active", active),
    path("healthz", lambda request: HttpResponse("up\n")),
]


def make():
    """Tables, the client that users sign in with, and the resource servers' own client."""
    call_command("migrate", verbosity=0)
    application = get_application_model()
    application.objects.create(
        name="clients", client_id="revbench", client_type=application.CLIENT_PUBLIC, authorization_grant_type=application.GRANT_PASSWORD,
    )
    application.objects.create(
        name="resource servers", client_id=RESOURCE_SERVER, client_secret=ADMIN, hash_client_secret=False,
        client_type=application.CLIENT_CONFIDENTIAL, authorization_grant_type=application.GRANT_CLIENT_CREDENTIALS,
    )


if __name__ == "__main__":
    make()
else:
    application = get_wsgi_application()
