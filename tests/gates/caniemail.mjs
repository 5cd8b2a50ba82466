// Prints, as JSON, which HTML and CSS features of a mail some large mail program does not know.
// node caniemail.mjs FOLDER_WITH_NODE_MODULES < mail.html
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const module = path.resolve(process.argv[2], "node_modules/caniemail/dist/index.js");
const { caniemail } = await import(pathToFileURL(module));
// Named one by one: the package's globs ask for features that some client has no answer for, and crash.
const clients = [
  "gmail.desktop-webmail", "gmail.ios", "gmail.android", "gmail.mobile-webmail",
  "outlook.windows", "outlook.outlook-com", "outlook.macos", "outlook.ios", "outlook.android",
  "apple-mail.macos", "apple-mail.ios", "yahoo.desktop-webmail", "yahoo.ios", "yahoo.android",
  "samsung-email.android", "thunderbird.macos",
];
const { issues } = caniemail({ clients, html: fs.readFileSync(0, "utf8") });
const found = new Set();
for (const each of issues.errors.values()) for (const issue of each) found.add(issue.title);
console.log(JSON.stringify([...found].sort()));
