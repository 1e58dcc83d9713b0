"""The two price adapters: what they take, what they refuse, and that they feed every design."""

import pytest

from chain.baselines import Desk
from ringfence.chain.accounts import Account
from ringfence.chain.deploy import price_words
from ringfence.chain.node import RevertedError

LOT = 10**8
GRACE_S, AGE_S = 3_600, 600
MOVE_PPM = 1_000
"""Per second: a price may move by 10 % in 100 seconds."""


def refusal(contract, who, name, *arguments):
    with contract.chain.attempt():
        try:
            contract.send(name, *arguments, sender=who)
        except RevertedError as error:
            return error.reason
    return ""


# -- push -----------------------------------------------------------------------------------------------------------


class Push:
    """A design that is fed by aggregators of 8 decimals behind a sequencer's uptime feed."""

    def __init__(self, design="IsolatedOnly"):
        self.desk = Desk(design)
        self.chain, self.owner = self.desk.chain, self.desk.people["owner"]
        self.uptime = self.chain.deploy("MockAggregator", 0, sender=self.owner)
        self.feeds = [self.chain.deploy("MockAggregator", 8, sender=self.owner) for _ in range(2)]
        table, uptime = self.desk.contract.address, self.uptime.address
        self.oracle = self.chain.deploy("PushOracle", table, uptime, GRACE_S, sender=self.owner)
        self.desk.do("owner", "set_feed", self.oracle.address)
        self.chain.warp(GRACE_S + 10)
        self.up(0, since=self.chain.time_s - GRACE_S - 1)
        for market, feed in enumerate(self.feeds):
            self.oracle.send("set_source", market, feed.address, AGE_S, 8, sender=self.owner)
            self.answer(market, (60_000 + market) * LOT)

    def up(self, status, since):
        self.uptime.send("set_round", 1, status, since, since, 1, sender=self.owner)

    def answer(self, market, price, *, age_s=0, round_id=5, answered=5, updated=None):
        when = self.chain.time_s - age_s if updated is None else updated
        self.feeds[market].send("set_round", round_id, price, when, when, answered, sender=self.owner)

    def refusal(self, *markets):
        return refusal(self.oracle, self.desk.people["ben"], "update", [*markets])


@pytest.fixture(scope="module")
def fed():
    push = Push()
    return push, push.chain.snapshot()


@pytest.fixture
def push(fed):
    one, start = fed
    one.chain.rollback(start)
    return one


def test_anybody_writes_what_the_aggregators_say(push):
    push.answer(1, 61_000 * LOT, age_s=30)
    push.oracle.send("update", [0, 1], sender=push.desk.people["ben"])
    assert push.desk.see("market_of", 0)[:2] == (60_000 * LOT, push.chain.time_s)
    assert push.desk.see("market_of", 1)[:2] == (61_000 * LOT, push.chain.time_s - 30)
    assert push.oracle.call("price_of", 1) == (61_000 * LOT, push.chain.time_s - 30)


def test_an_old_answer_is_refused_and_one_at_the_limit_is_not(push):
    push.answer(0, LOT, age_s=AGE_S)
    assert push.refusal(0) == ""
    push.answer(0, LOT, age_s=AGE_S + 1)
    assert push.refusal(0) == "PRICE_STALE"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"price": 0}, "PRICE_NOT_POSITIVE"),
        ({"price": -1}, "PRICE_NOT_POSITIVE"),
        ({"price": LOT, "updated": 0}, "PRICE_NOT_SET"),
        ({"price": LOT, "age_s": -1}, "PRICE_NOT_SET"),
        ({"price": LOT, "round_id": 6, "answered": 5}, "PRICE_NOT_SET"),
        ({"price": 2**64}, "AMOUNT_TOO_LARGE"),
    ],
)
def test_an_answer_that_is_none_is_refused(push, answer, reason):
    push.answer(0, **answer)
    assert push.refusal(0) == reason


def test_nothing_is_written_while_the_sequencer_is_down_or_only_just_up(push):
    push.up(1, since=push.chain.time_s - 10)
    assert push.refusal(0) == "SEQUENCER_DOWN"
    push.up(0, since=push.chain.time_s - GRACE_S)
    assert push.refusal(0) == "GRACE_PERIOD"
    push.up(0, since=push.chain.time_s - GRACE_S - 1)
    assert push.refusal(0) == ""
    push.up(0, since=0)
    assert push.refusal(0) == "SEQUENCER_DOWN"


@pytest.mark.parametrize(("price_decimals", "price"), [(8, 12_345), (6, 123), (10, 1_234_500)])
def test_answers_are_put_on_the_tables_grid(push, price_decimals, price):
    feed = push.feeds[0].address
    push.oracle.send("set_source", 0, feed, AGE_S, price_decimals, sender=push.owner)
    push.answer(0, 12_345)
    assert push.oracle.call("price_of", 0)[0] == price


def test_only_the_owner_names_sources_and_only_sound_ones(push):
    feed = push.feeds[0].address
    ben = push.desk.people["ben"]
    assert refusal(push.oracle, ben, "set_source", 0, feed, 60, 8) == "NOT_OWNER"
    assert refusal(push.oracle, push.owner, "set_source", 256, feed, 60, 8) == "MARKET_UNKNOWN"
    assert refusal(push.oracle, push.owner, "set_source", 0, feed, 0, 8) == "PARAMETER_INVALID"
    assert refusal(push.oracle, push.owner, "set_source", 0, feed, 60, 19) == "PARAMETER_INVALID"
    assert push.refusal(7) == "MARKET_UNKNOWN"
    push.oracle.send("transfer_ownership", ben.address, sender=push.owner)
    push.oracle.send("accept_ownership", sender=ben)
    assert refusal(push.oracle, push.owner, "set_source", 0, feed, 60, 8) == "NOT_OWNER"


# -- pull -----------------------------------------------------------------------------------------------------------


class Pull:
    """A design that is fed by reports which two of three reporters have signed."""

    def __init__(self, design="CrossOnly"):
        self.desk = Desk(design)
        self.chain, self.owner = self.desk.chain, self.desk.people["owner"]
        self.oracle = self.chain.deploy(
            "PullOracle", self.desk.contract.address, 2, AGE_S, MOVE_PPM, sender=self.owner
        )
        self.desk.do("owner", "set_feed", self.oracle.address)
        self.reporters = sorted(
            (Account.named(f"reporter {number}") for number in range(3)), key=lambda each: each.address
        )
        for reporter in self.reporters:
            self.oracle.send("set_reporter", reporter.address, True, sender=self.owner)
        self.chain.warp(100)

    def signatures(self, time_s, words, signers):
        domain = {
            "name": "Ringfence prices",
            "version": "1",
            "chainId": self.chain.chain_id,
            "verifyingContract": self.oracle.address,
        }
        fields = [{"name": "time", "type": "uint256"}, {"name": "updates", "type": "uint256[]"}]
        message = {"time": time_s, "updates": words}
        return [split(signer.sign_typed(domain, {"Report": fields}, message)) for signer in signers]

    def report(self, prices, *, age_s=0, signers=None):
        words, time_s = price_words(prices.items()), self.chain.time_s - age_s
        chosen = self.reporters[:2] if signers is None else signers
        return time_s, words, self.signatures(time_s, words, chosen)

    def refusal(self, *report):
        return refusal(self.oracle, self.desk.people["ben"], "update", *report)

    def update(self, prices):
        self.oracle.send("update", *self.report(prices), sender=self.desk.people["ben"])


def split(signature):
    return int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]


@pytest.fixture(scope="module")
def signed():
    pull = Pull()
    return pull, pull.chain.snapshot()


@pytest.fixture
def pull(signed):
    one, start = signed
    one.chain.rollback(start)
    return one


def test_anybody_brings_a_report_that_enough_reporters_signed(pull):
    pull.update({0: 60_000 * LOT, 1: 3_000 * LOT})
    assert pull.desk.see("market_of", 0)[:2] == (60_000 * LOT, pull.chain.time_s)
    assert pull.desk.see("market_of", 1)[:2] == (3_000 * LOT, pull.chain.time_s)
    assert pull.oracle.call("last_of", 1) == (3_000 * LOT, pull.chain.time_s)


def test_what_is_signed_is_the_standards_hash(pull):
    from eth_account.messages import encode_typed_data
    from eth_utils.crypto import keccak

    time_s, words, _ = pull.report({0: LOT, 1: 2 * LOT})
    domain = {
        "name": "Ringfence prices",
        "version": "1",
        "chainId": pull.chain.chain_id,
        "verifyingContract": pull.oracle.address,
    }
    fields = [{"name": "time", "type": "uint256"}, {"name": "updates", "type": "uint256[]"}]
    made = encode_typed_data(domain, {"Report": fields}, {"time": time_s, "updates": words})
    digest = keccak(b"\x19" + made.version + made.header + made.body)
    assert pull.oracle.call("report_digest", time_s, words) == digest


def test_signatures_must_be_enough_known_different_and_of_this_report(pull):
    a, b, c = pull.reporters
    stranger = Account.named("stranger")
    time_s, words, pair = pull.report({0: LOT})
    assert pull.refusal(time_s, words, pair) == ""
    for signers in ([], [a], [a, a], [b, a], sorted([a, stranger], key=lambda each: each.address)):
        assert pull.refusal(*pull.report({0: LOT}, signers=signers)) == "SIGNATURE_INVALID"
    assert pull.refusal(*pull.report({0: LOT}, signers=[a, b, c])) == ""
    assert pull.refusal(time_s, price_words([(0, LOT + 1)]), pair) == "SIGNATURE_INVALID"
    assert pull.refusal(time_s - 1, words, pair) == "SIGNATURE_INVALID"
    pull.oracle.send("set_reporter", b.address, False, sender=pull.owner)
    assert pull.refusal(time_s, words, pair) == "SIGNATURE_INVALID"


def test_the_other_form_of_a_signature_is_refused(pull):
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    time_s, words, ((r, s, v), second) = pull.report({0: LOT})
    assert pull.refusal(time_s, words, [(r, order - s, 55 - v), second]) == "SIGNATURE_INVALID"


def test_reports_are_young_and_never_run_backwards(pull):
    assert pull.refusal(*pull.report({0: LOT}, age_s=-1)) == "PRICE_STALE"
    pull.chain.warp(AGE_S)
    pull.desk.do("owner", "set_feed", pull.oracle.address)
    assert pull.refusal(*pull.report({0: LOT}, age_s=AGE_S)) == ""
    assert pull.refusal(*pull.report({0: LOT}, age_s=AGE_S + 1)) == "PRICE_STALE"
    pull.update({0: LOT})
    assert pull.refusal(*pull.report({0: LOT}, age_s=1)) == "TIME_RUNS_BACKWARDS"


def test_a_report_moves_a_price_no_further_than_time_allows(pull):
    """0.1 % per second: 10 s after 60,000 a report of 50,000 leads to 59,400, ten more to 58,806."""
    pull.update({0: 60_000 * LOT})
    for price in (59_400 * LOT, 58_806 * LOT):
        pull.chain.warp(10)
        pull.update({0: 50_000 * LOT})
        assert pull.desk.see("market_of", 0)[0] == price
    pull.chain.warp(1_000)
    pull.update({0: 50_000 * LOT})
    assert pull.desk.see("market_of", 0)[0] == 50_000 * LOT
    pull.chain.warp(1)
    pull.update({0: 90_000 * LOT})
    assert pull.desk.see("market_of", 0)[0] == 50_050 * LOT


NOBODY = "0x" + "00" * 20


@pytest.mark.parametrize(
    ("threshold", "age_s", "move_ppm", "table"),
    [
        (0, AGE_S, MOVE_PPM, ""),
        (9, AGE_S, MOVE_PPM, ""),
        (1, 0, MOVE_PPM, ""),
        (1, 3_601, MOVE_PPM, ""),
        (1, AGE_S, 0, ""),
        (1, AGE_S, MOVE_PPM, NOBODY),
    ],
)
def test_parameters_of_a_deployment_have_bounds(pull, threshold, age_s, move_ppm, table):
    given = (table or pull.desk.contract.address, threshold, age_s, move_ppm)
    with pytest.raises(RevertedError, match="PARAMETER_INVALID"):
        pull.chain.deploy("PullOracle", *given, sender=pull.owner)
