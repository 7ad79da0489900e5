// A bot in JavaScript, with the WebSocket that Node brings along and nothing else: a market maker with one order on each side.
// docs/API_SPEC.md is all it was written from.
//
//   node examples/javascript_bot.mjs [trader_id] [order gateway] [market data]                      (Node 22 or newer)
//   node --experimental-websocket examples/javascript_bot.mjs                                       (Node 20 and 21)

const [traderId = "javascript", gatewayUri = "ws://127.0.0.1:9001", feedUri = "ws://127.0.0.1:9010"] = process.argv.slice(2);
const SIZE = 2;
const MAX_POSITION = 20;
const SIGN = { buy: 1, sell: -1 };

if (typeof WebSocket === "undefined") {
  console.error("error: this Node has no WebSocket: use Node 22 or newer, or node --experimental-websocket");
  process.exit(2);
}

let instrument = null;
let position = 0;
let requests = 0;
const quotes = { buy: null, sell: null }; // side -> {id, price}: the order that is open or on its way

const gateway = new WebSocket(gatewayUri);
const feed = new WebSocket(feedUri);
const ask = (request) => gateway.send(JSON.stringify(request));

gateway.onopen = () => ask({ type: "login", trader_id: traderId, cancel_on_disconnect: true });
gateway.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  answers[message.type]?.(message);
};
feed.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "book_update" && message.symbol === instrument?.symbol) quote(message);
};
for (const socket of [gateway, feed]) {
  socket.onerror = () => {
    console.error(`error: no connection to ${socket.url}`);
    stop(1);
  };
  socket.onclose = () => stop(1);
}

const answers = {
  logged_in(message) {
    instrument = message.instruments[0];
    console.log(`logged in as ${traderId}, trading ${instrument.symbol}`);
    ask({ type: "account" });
  },
  account(message) {
    position = message.positions.find((each) => each.symbol === instrument.symbol)?.position ?? 0;
  },
  fill(message) {
    position += SIGN[message.side] * message.qty;
    if (message.leaves_qty === 0) forget(message);
    console.log(`${message.side} ${message.qty} at ${message.price}, position ${position}`);
  },
  order_cancelled: forget,
  cancel_rejected(message) {
    if (["unknown_order", "already_closed"].includes(message.reason)) forget(message);
    for (const own of Object.values(quotes)) if (own?.id === message.client_order_id) own.cancelling = false;
  },
  order_rejected(message) {
    console.error(`refused: ${message.reason}`);
    forget(message);
  },
};

function forget({ client_order_id }) {
  for (const side of ["buy", "sell"]) if (quotes[side]?.id === client_order_id) quotes[side] = null;
}

// Stand three ticks off the middle, one tick lower for every four lots held; cancel what stands elsewhere.
function quote(book) {
  if (book.best_bid === null || book.best_ask === null) return;
  const middle = (book.best_bid + book.best_ask) / 2 - Math.trunc(position / 4) * instrument.tick;
  for (const side of ["buy", "sell"]) {
    const price = onTick(middle - SIGN[side] * 3 * instrument.tick);
    const own = quotes[side];
    if (own === null && SIGN[side] * position < MAX_POSITION) enter(side, price);
    else if (own !== null && own.price !== price && !own.cancelling) {
      own.cancelling = true;
      ask({ type: "cancel", client_order_id: own.id });
    }
  }
}

function enter(side, price) {
  requests += 1;
  quotes[side] = { id: `js-${process.pid}-${Date.now()}-${requests}`, price, cancelling: false };
  ask({ type: "order", side, qty: SIZE, price, post_only: true, client_order_id: quotes[side].id });
}

// A price is the nearest double to what people write: 100.05, not 100.05000000000001.
function onTick(price) {
  const decimals = (String(instrument.tick).split(".")[1] ?? "").length;
  return Number((Math.round(price / instrument.tick) * instrument.tick).toFixed(decimals));
}

let stopping = false;
function stop(exitCode) {
  if (stopping) return;
  stopping = true;
  console.log(`stopped, position ${position}`);
  process.exitCode = exitCode;
  for (const socket of [gateway, feed]) socket.close();
}
process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));
