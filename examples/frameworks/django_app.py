"""Flags for the caller of Django requests. Run it: `python examples/frameworks/django_app.py` (needs django)."""

from __future__ import annotations

import sys

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from flagkit import Flags, StaticSource
from flagkit.frameworks import Caller, for_request
from flagkit.frameworks.django import middleware_for

GERMANY = {
    "_variants": [
        {"name": "germany", "enabled": True, "rule": '(eq $country "DE")'},
        {"name": "elsewhere", "enabled": False},
    ]
}
flags = Flags(StaticSource({"new_search": GERMANY}))


def read_caller(request):
    """From the session, which the server wrote; a header or plain cookie would be the visitor's word."""
    return Caller(request.session.get("customer"), {"country": request.session.get("country", "")})


# For the users of django.contrib.auth, name "flagkit.frameworks.django.flags_middleware" instead.
flags_middleware = middleware_for(read_caller)


def login(request, customer, country):
    request.session.update({"customer": customer, "country": country})
    return HttpResponse("ok")


def search(request):
    return HttpResponse("new" if for_request(flags).is_enabled("new_search") else "old")


urlpatterns = [path("login/<customer>/<country>", login), path("search", search)]

if __name__ == "__main__":
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django_app.flags_middleware"],
        ROOT_URLCONF="django_app",
        SECRET_KEY="only-for-this-example",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    sys.modules["django_app"] = sys.modules["__main__"]
    django.setup()
    for customer, country in (("alice", "DE"), ("zoe", "FR")):
        client = Client()
        client.get(f"/login/{customer}/{country}")
        print(customer, country, client.get("/search").content.decode())
