// A receiver that uses the Standard Webhooks library for JavaScript.
//
// Takes the secret, the headers as a JSON object, and the body. Prints the verified payload as JSON.
// Exits with another code than 0 if the signature does not fit.
"use strict";

const { Webhook } = require("standardwebhooks");

const [secret, headers, body] = process.argv.slice(2);
const payload = new Webhook(secret).verify(body, JSON.parse(headers));
console.log(JSON.stringify(payload));
