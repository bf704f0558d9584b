"""A receiver that uses the Standard Webhooks library for Python.

Takes the secret, the headers as a JSON object, and the body. Prints the verified payload as JSON.
Fails by an exception if the signature does not fit.
"""

import json
import sys

from standardwebhooks import Webhook

secret, headers, body = sys.argv[1:]
print(json.dumps(Webhook(secret).verify(body, json.loads(headers))))
