// Calls the addresses that it is given and answers with what they said.
const http = require("node:http");
const [port, ...addresses] = process.argv.slice(2);

const ask = (address) =>
  new Promise((resolve, reject) => {
    const request = http.get(address, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
  });

http
  .createServer((_, response) => {
    Promise.all(addresses.map(ask)).then(
      (texts) => response.end(["ok", ...texts].join(", ")),
      (error) => response.writeHead(502).end(String(error)),
    );
  })
  .listen(Number(port), "127.0.0.1");
