"""A Django REST framework API as people write one: model viewsets, pages, a login that gives a token.

app.py FOLDER FIXTURES keeps its database in FOLDER, loads posts.json and comments.json of FIXTURES, and says on stderr where
it listens. With a third word, "key", it begins empty, and its models have a field `external_id`, which can be filtered by; with a
fourth, "trim", it trims texts, as serializers do where nobody says otherwise.
"""

import json
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

folder, fixtures = Path(sys.argv[1]), Path(sys.argv[2])
has_key = sys.argv[3:4] == ["key"]
trims = sys.argv[4:5] == ["trim"]
settings.configure(
    SECRET_KEY="s" * 50,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / "db.sqlite3"),
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "PAGE_SIZE": 30,
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import routers, serializers, viewsets  # noqa: E402
from rest_framework_simplejwt.views import TokenObtainPairView  # noqa: E402


def external_id():
    return models.BigIntegerField(unique=True, null=True) if has_key else None


class Post(models.Model):
    external_id = external_id()
    user_id = models.BigIntegerField()
    title = models.CharField(max_length=256)
    body = models.CharField(max_length=1024)

    class Meta:
        app_label = "app"


class Comment(models.Model):
    external_id = external_id()
    post = models.ForeignKey(Post, on_delete=models.CASCADE)
    name = models.CharField(max_length=128)
    email = models.CharField(max_length=128)
    body = models.CharField(max_length=1024)

    class Meta:
        app_label = "app"


def viewset(shown):
    texts = [field.name for field in shown._meta.fields if isinstance(field, models.CharField)]
    as_sent = {name: {"allow_blank": True, "trim_whitespace": trims} for name in texts} if has_key else {}

    class Serializer(serializers.ModelSerializer):
        class Meta:
            model = shown
            fields = "__all__"
            extra_kwargs = as_sent

    class ViewSet(viewsets.ModelViewSet):
        queryset = shown.objects.order_by("id")
        serializer_class = Serializer

        def get_queryset(self):
            wanted = self.request.query_params.get("external_id")
            all_of_them = super().get_queryset()
            return all_of_them.filter(external_id=wanted) if has_key and wanted else all_of_them

    return ViewSet


router = routers.DefaultRouter()
router.register("posts", viewset(Post))
router.register("comments", viewset(Comment))
urlpatterns = [path("api/token/", TokenObtainPairView.as_view()), path("", include(router.urls))]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    sys.modules["app"] = sys.modules["__main__"]
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Post)
        editor.create_model(Comment)
    User.objects.create_user("reader", password="a password")
    posts = [] if has_key else json.loads((fixtures / "posts.json").read_text())
    Post.objects.bulk_create(Post(id=p["id"], user_id=p["userId"], title=p["title"], body=p["body"]) for p in posts)
    comments = [] if has_key else json.loads((fixtures / "comments.json").read_text())
    Comment.objects.bulk_create(
        Comment(id=c["id"], post_id=c["postId"], name=c["name"], email=c["email"], body=c["body"]) for c in comments
    )
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Quiet) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        server.serve_forever()
