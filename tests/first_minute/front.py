"""front: calls the addresses that it is given and answers with what they said."""

import sys
import urllib.request

from flask import Flask

app = Flask("front")


@app.get("/")
def home():
    said = [urllib.request.urlopen(address, timeout=10).read().decode() for address in sys.argv[2:]]
    return ", ".join(["ok", *said])


app.run(host="127.0.0.1", port=int(sys.argv[1]))
