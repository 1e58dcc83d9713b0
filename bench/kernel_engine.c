/* Deposits, withdrawals and fills on the engine's arrays, in C: what a careful programmer writes with __int128.
 *
 * The yardstick of bench/kernel_engine.py. The same commands on the same records (src/ringfence/kernel/engine/layout.py,
 * whose offsets are repeated below), the same divisions with the same directions, the same events on a tape, for markets
 * with tiers, quote collateral and no funding that moved. Products are not checked for overflow.
 *
 *     cc -O3 -march=native -shared -fPIC kernel_engine.c -o kernel_engine.so
 */
#include <stdint.h>

typedef __int128 L;
typedef int64_t I;

enum { LEG_COUNT = 1, LEG_FIRST = 2, LEG_ROOM = 3, BALANCES = 14 };
enum { LEG_MARKET = 0, SIZE = 2, COST = 4, FUNDED = 6, LEG = 8 };
enum { MARK = 0, FUNDING = 6, OPEN = 8, NUM = 10, DEN = 12, ROWS_FIRST = 22, ROWS_COUNT = 23, RATE_DEN = 24, MARKET = 80 };
enum { LOWER = 0, INITIAL = 2, MAINTENANCE = 4, DEDUCTION = 6, ROW = 8 };
enum { DEPOSIT = 1, WITHDRAW = 2, TRADE = 5, REASON_MARGIN = 404, REASON_COUNTERPARTY = 405 };

typedef struct { I *rows, *legs, *markets, *margins, *ledger, *tape; I width, events, taker_ppm; } Book;
typedef struct { L equity, initial, maintenance; } Risk;

static inline L get(const I *word) { return ((L)word[1] << 64) | (uint64_t)word[0]; }
static inline void put(I *word, L value) { word[0] = (I)value; word[1] = (I)(value >> 64); }
static inline L absolute(L a) { return a < 0 ? -a : a; }
static inline L down(L a, L d) { L q = a / d; return a % d < 0 ? q - 1 : q; }
static inline L up(L a, L d) { L q = a / d; return a % d > 0 ? q + 1 : q; }
static inline I *row_of(Book *b, I row) { return b->rows + row * b->width; }

static void tell(Book *b, I event, I first, I second, I about, L x, L y) {
  I *word = b->tape + 8 * b->events++;
  word[0] = event; word[1] = first; word[2] = second; word[3] = about;
  put(word + 4, x); put(word + 6, y);
}

static I *account(Book *b, I code) { return code >= 0 ? row_of(b, code) + BALANCES : b->ledger + (-1 - code) * 2; }

static void move(Book *b, I debit, I credit, L amount, I why) {
  if (amount == 0) return;
  if (amount < 0) { I other = debit; debit = credit; credit = other; amount = -amount; }
  put(account(b, debit), get(account(b, debit)) - amount);
  put(account(b, credit), get(account(b, credit)) + amount);
  tell(b, 1 + 256 * why, debit, credit, 0, amount, 0);
}

static I *leg_of(Book *b, I row, I market) {
  I *record = row_of(b, row), *leg = b->legs + record[LEG_FIRST] * LEG;
  for (I n = 0; n < record[LEG_COUNT]; n++, leg += LEG) if (leg[LEG_MARKET] == market) return leg;
  return 0;
}

static Risk risk_at(Book *b, const I *record, const I *leg) {
  Risk found = { get(record + BALANCES), 0, 0 };
  for (I n = 0; n < record[LEG_COUNT]; n++, leg += LEG) {
    const I *market = b->markets + leg[LEG_MARKET] * MARKET;
    L price = get(market + MARK), size = get(leg + SIZE), num = get(market + NUM), den = get(market + DEN);
    L worth = down(size * price * num, den), notional = up(absolute(size) * price * num, den);
    const I *tier = b->margins + market[ROWS_FIRST] * ROW;
    for (I k = 1; k < market[ROWS_COUNT] && notional >= get(tier + ROW + LOWER); k++) tier += ROW;
    L maintenance = up(notional * get(tier + MAINTENANCE) - get(tier + DEDUCTION), market[RATE_DEN]);
    L initial = up(notional * get(tier + INITIAL), market[RATE_DEN]);
    found.equity += worth;
    found.maintenance += maintenance;
    found.initial += initial > maintenance ? initial : maintenance;
  }
  return found;
}

static Risk risk_of(Book *b, I row) {
  I *record = row_of(b, row);
  return risk_at(b, record, b->legs + record[LEG_FIRST] * LEG);
}

static void take(Book *b, I market, I row, L size, L paid) {
  I *record = row_of(b, row), *leg = leg_of(b, row, market), *about = b->markets + market * MARKET;
  L held = leg ? get(leg + SIZE) : 0, cost = leg ? get(leg + COST) : 0, change = paid;
  if (held != 0 && (held > 0) != (size > 0)) {
    if (absolute(size) <= absolute(held)) {
      L released = absolute(cost) * absolute(size) / absolute(held);
      change = cost < 0 ? released : -released;
    } else change = paid - down(paid * absolute(held), absolute(size)) - cost;
  }
  L left = held + size, longs = (left > 0 ? left : 0) - (held > 0 ? held : 0);
  put(about + OPEN, get(about + OPEN) + longs);
  I *first = b->legs + record[LEG_FIRST] * LEG;
  if (!leg) {
    leg = first + record[LEG_COUNT]++ * LEG;
    leg[LEG_MARKET] = market;
    put(leg + FUNDED, get(about + FUNDING));
  }
  put(leg + SIZE, left); put(leg + COST, cost + change);
  tell(b, 2, row, (leg - first) / LEG, market, size, change);
  if (left != 0) return;
  for (I *end = first + --record[LEG_COUNT] * LEG; leg < end; leg += LEG)
    for (I k = 0; k < LEG; k++) leg[k] = leg[k + LEG];
}

static I withdraw(Book *b, I row, L amount) {
  Risk risk = risk_of(b, row);
  L left = risk.equity - amount;
  if (left < risk.initial || (risk.maintenance > 0 && left < risk.maintenance)) return REASON_MARGIN;
  move(b, row, -1, amount, 2);
  return 0;
}

/* One side of a fill is decided on what it would be; what it was is looked at only where initial margin is short. */
static I stands(Book *b, I row, const I *record, const I *legs) {
  Risk after = risk_of(b, row), before;
  if (after.equity >= after.initial) return 1;
  before = risk_at(b, record, legs);
  if (after.maintenance > before.maintenance) return 0;
  if (after.maintenance == 0 || before.maintenance == 0)
    return after.maintenance == 0 && before.maintenance == 0 && after.equity > before.equity;
  return after.equity * before.maintenance >= before.equity * after.maintenance;
}

static void restore(Book *b, I row, const I *record, const I *legs) {
  I *now = row_of(b, row), *leg = b->legs + record[LEG_FIRST] * LEG;
  for (I k = 0; k < b->width; k++) now[k] = record[k];
  for (I k = 0; k < LEG * record[LEG_COUNT]; k++) leg[k] = legs[k];
}

static I trade(Book *b, I taker, I maker, I market, L size, L price) {
  I *about = b->markets + market * MARKET, saved[2][64], legs[2][LEG * 64], who[2] = { taker, maker };
  I events = b->events;
  L fees = get(b->ledger + 2), open = get(about + OPEN);
  for (I n = 0; n < 2; n++) {
    I *record = row_of(b, who[n]), *leg = b->legs + record[LEG_FIRST] * LEG;
    for (I k = 0; k < b->width; k++) saved[n][k] = record[k];
    for (I k = 0; k < LEG * record[LEG_COUNT]; k++) legs[n][k] = leg[k];
  }
  L worth = down(size * price * get(about + NUM), get(about + DEN));
  move(b, maker, taker, -worth, 5);
  take(b, market, taker, size, worth);
  take(b, market, maker, -size, -worth);
  move(b, taker, -2, up(absolute(worth) * b->taker_ppm, 1000000), 6);
  I reason = 0;
  if (!stands(b, taker, saved[0], legs[0])) reason = REASON_MARGIN;
  else if (!stands(b, maker, saved[1], legs[1])) reason = REASON_COUNTERPARTY;
  if (!reason) return 0;
  for (I n = 0; n < 2; n++) restore(b, who[n], saved[n], legs[n]);
  put(b->ledger + 2, fees); put(about + OPEN, open);
  b->events = events;
  return reason;
}

I run(Book *b, I count, const I *commands, I *reasons) {
  for (I n = 0; n < count; n++, commands += 8) {
    L x = get(commands + 4), y = get(commands + 6);
    if (commands[0] == DEPOSIT) { move(b, -1, commands[1], x, 0); reasons[n] = 0; }
    else if (commands[0] == WITHDRAW) reasons[n] = withdraw(b, commands[1], x);
    else reasons[n] = trade(b, commands[1], commands[2], commands[3], x, y);
  }
  return b->events;
}
