"""A receiver that uses the Standard Webhooks library for Python.

Takes the secret, the headers as a JSON object, and the body. Prints the verified payload as JSON,
or null for an empty body, which is no JSON.
Fails by an exception if the signature does not fit.
"""

import json
import sys

from standardwebhooks import Webhook

secret, headers, body = sys.argv[1:]
payload = Webhook(secret).verify(body, json.loads(headers), json_parse=body != "")
print(json.dumps(payload))
