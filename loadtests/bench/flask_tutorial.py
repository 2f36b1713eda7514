"""The code of "Uploading Files" in Flask's documentation, which a user would write.

The differences: another folder, a higher limit than 16 MB, a secret key, no page with a form at
GET, and the route `/ready`.
"""

import os

from flask import Flask, flash, redirect, request, send_from_directory, url_for
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response

UPLOAD_FOLDER = os.environ["BENCH_FOLDER"]
ALLOWED_EXTENSIONS = {"txt", "pdf", "png", "jpg", "jpeg", "gif"}

app = Flask(__name__)
app.config["UPLOAD_FOLDER"] = UPLOAD_FOLDER
app.config["MAX_CONTENT_LENGTH"] = 4 << 30
app.secret_key = os.urandom(16)


def allowed_file(filename: str) -> bool:
    """Tell whether the extension of a file name is allowed."""
    return "." in filename and filename.rsplit(".", 1)[1].lower() in ALLOWED_EXTENSIONS


@app.post("/")
def upload_file() -> Response:
    """Store the file of a form."""
    if "file" not in request.files:
        flash("No file part")
        return redirect(request.url)
    file = request.files["file"]
    if not file.filename or not allowed_file(file.filename):
        flash("No selected file")
        return redirect(request.url)
    filename = secure_filename(file.filename)
    file.save(os.path.join(app.config["UPLOAD_FOLDER"], filename))
    return redirect(url_for("download_file", name=filename))


@app.get("/uploads/<name>")
def download_file(name: str) -> Response:
    """Return a stored file."""
    return send_from_directory(app.config["UPLOAD_FOLDER"], name)


@app.get("/ready")
def ready() -> str:
    """Return a text when the server is ready, for the benchmark."""
    return "ready"
