"""The loop over commands."""
# mypy: disable-error-code="untyped-decorator, no-untyped-call, no-any-return"

from ..jit import jit
from . import layout as at
from .cash import deposit, fund_insurance, transfer_margin, withdraw
from .closing import liquidate, take_over
from .far import INT, far
from .memory import Book, Marks, Words, as_book
from .queues import catch_up, forget
from .tape import end_trial, undo
from .trades import AGAIN, trade
from .waterfall import deleverage, draw_insurance, socialize


@jit
def decide(book: Book, command: Words, eager: bool) -> int:
    """Decide one command and do what it asks; the answer of a refusal leaves its traces on the tape."""
    kind = command[at.EVENT]
    if kind == at.DEPOSIT:
        return deposit(book, command)
    if kind == at.TRADE:
        return trade(book, command, eager)
    if kind == at.WITHDRAW:
        return withdraw(book, command)
    if kind == at.TRANSFER_MARGIN:
        return transfer_margin(book, command)
    if kind == at.FUND_INSURANCE:
        return fund_insurance(book, command)
    if kind == at.LIQUIDATE:
        return liquidate(book, command)
    if kind == at.TAKE_OVER:
        return take_over(book, command)
    if kind == at.DRAW_INSURANCE:
        return draw_insurance(book, command)
    if kind == at.DELEVERAGE:
        return deleverage(book, command)
    if kind == at.SOCIALIZE:
        return socialize(book, command)
    return at.REFERENCE


@far(INT)
def submit(book: Book) -> int:
    """Decide the command at hand; what was refused, or could not be decided here, leaves no trace."""
    begin, command = book.clock[at.EVENTS], book.command
    book.clock[at.BEGUN] = begin
    status = decide(book, command, False)
    if status == AGAIN:
        undo(book, begin)
        status = decide(book, command, True)
    if status != at.ACCEPTED:
        undo(book, begin)
    return status


@jit
def run(directory: Words, commands: Words, verdicts: Words, start: int) -> int:
    """Decide commands from `start` on; returns where it stopped: at the end, or before what is not decided here.

    `clock[AT]` says which command is at hand, so that whoever catches an `OverflowError` knows what to undo and decide.
    """
    book = as_book(directory)
    told = book.told
    for n in range(start, commands.shape[0]):
        book.clock[at.AT] = n
        for k in range(at.COMMAND_WORDS):
            book.command[k] = commands[n, k]
        status = submit(book)
        verdicts[n, at.REASON] = status
        if status < 0:
            return n
        verdicts[n, at.TAPE_END] = book.clock[at.EVENTS]
        if status != at.ACCEPTED:
            verdicts[n, at.DETAIL], verdicts[n, at.WHO] = told[at.DETAIL], told[at.WHO]
            for k in range(at.X, at.VERDICT_WORDS):
                verdicts[n, k] = told[k]
    return commands.shape[0]


@jit
def take_back(directory: Words) -> None:
    """Undo what the command at hand did before it failed, and drop the queues, which it may have left in disorder."""
    book = as_book(directory)
    end_trial(book)
    undo(book, book.clock[at.BEGUN])
    forget(book)
    book.clock[at.ASSUMED] = 0


@jit
def drop_queues(directory: Words) -> None:
    """`queues.forget`: prices, funding or the reference changed something."""
    forget(as_book(directory))


@jit
def look_back(directory: Words, rows: Marks, accounts: Marks) -> None:
    """Mark the rows and ledger accounts that the tape names, tell the queues of them, and begin a new tape."""
    book = as_book(directory)
    catch_up(book, book.clock[at.EVENTS])
    tape, clock = book.tape, book.clock
    for n in range(clock[at.EVENTS]):
        kind, first, second = tape[n, at.EVENT] & 255, tape[n, at.FIRST], tape[n, at.SECOND]
        if first >= 0:
            rows[first] = 1
        elif kind == at.TRANSFER:
            accounts[-1 - first] = 1
        if kind == at.TRANSFER:
            if second >= 0:
                rows[second] = 1
            else:
                accounts[-1 - second] = 1
    clock[at.EVENTS] = clock[at.SEEN] = 0
