"""A resource server: it asks the authorization server about a token (RFC 7662) and keeps the answer in its own database.

gunicorn serves `resource:application`; `python resource.py` makes the database.
"""

import os
import secrets

import django
from django.conf import settings

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
    OAUTH2_PROVIDER={
        "SCOPES": {"read": "Read"},
        "RESOURCE_SERVER_INTROSPECTION_URL": os.environ["INTROSPECTION_URL"],
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": ("resource-server", os.environ["REVBENCH_SYSTEM_ADMIN"]),
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": int(os.environ["CACHING_SECONDS"]),
    },
)
django.setup()

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views import View
from oauth2_provider.views.mixins import OAuthLibMixin

INSTANCE = os.environ["INSTANCE"]


class Notes(OAuthLibMixin, View):
    """What a token opens."""

    def get(self, request):
        valid, asked = self.verify_request(request)
        if valid:
            answer = JsonResponse({"notes": ["water the plants"], "of": asked.user.username})
        else:
            answer = JsonResponse({"error": "invalid_token"}, status=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        answer["x-instance"] = INSTANCE
        return answer


urlpatterns = [path("notes", Notes.as_view()), path("healthz", lambda request: HttpResponse("up\n"))]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
else:
    application = get_wsgi_application()
