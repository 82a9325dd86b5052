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
    return Caller(request.headers.get("x-user"), {"country": request.headers.get("x-country", "")})


flags_middleware = middleware_for(read_caller)  # or name "flagkit.frameworks.django.flags_middleware"


def search(request):
    return HttpResponse("new" if for_request(flags).is_enabled("new_search") else "old")


urlpatterns = [path("search", search)]

if __name__ == "__main__":
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=["django_app.flags_middleware"],
        ROOT_URLCONF="django_app",
        SECRET_KEY="only-for-this-example",
    )
    sys.modules["django_app"] = sys.modules["__main__"]
    django.setup()
    for country in ("DE", "FR"):
        answer = Client().get("/search", headers={"x-user": "amira", "x-country": country})
        print(country, answer.content.decode())
