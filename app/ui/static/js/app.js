// Start of all client code. Every page works without it; it makes them quicker.

import "./theme.js";
import "./requests.js";
import "./overlays.js";
import "./messages.js";
import "./keyboard.js";
import "./palette.js";
import "./live.js";
import "./picking.js";
import "./files.js";
import "./filling.js";
import "./passkeys.js";
