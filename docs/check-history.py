#!/usr/bin/env python3
"""Judges a history that the rush has written: python3 check-history.py FILE. Exit code 1: somebody had what was somebody else's."""
import json, sys
from collections import defaultdict

ENDS = ("releaseHold", "cancelOrder")  # From the moment it is asked for, the seats are not relied on any more.
had = defaultdict(list)  # seat -> [from, until, owner, generation of a mere hold or None, ordered]
mine = {}  # buyer -> what the buyer has now
asked = {}  # buyer -> the operation that is under way
problems, counted = [], 0

for text in open(sys.argv[1]):
    event = json.loads(text)
    counted += 1
    kind, buyer, operation = event["type"], event["process"], event["operation"]
    at = event["redisMs"] or event["atMs"]
    if kind == "invoke":
        if asked.get(buyer):
            problems.append(f"buyer {buyer} did two things at once: {asked[buyer]} and {operation}")
        asked[buyer] = operation
        if operation in ENDS and buyer in mine:
            mine.pop(buyer)["until"] = at
        continue
    if asked.get(buyer) != operation:
        problems.append(f"buyer {buyer} got an answer to {operation} without having asked")
    asked[buyer] = None
    if kind == "ok" and operation == "holdSeats":
        have = {"from": at, "until": event["untilMs"], "owner": event["owner"], "generation": event["generation"], "ordered": False}
        mine[buyer] = have
        for seat in event["seats"]:
            had[seat].append(have)
    elif kind == "ok" and operation in ("startCheckout", "tickets") and buyer in mine:
        mine[buyer].update(until=event["untilMs"], ordered=True)
    elif operation == "tickets" and buyer in mine or event.get("code") == "HOLD_LOST" and buyer in mine:
        gone = mine.pop(buyer)
        gone["until"] = min(gone["until"] or at, at)

forever = float("inf")
for seat, times in had.items():
    times.sort(key=lambda have: have["from"])
    for at, second in enumerate(times):
        for first in times[:at]:
            lost = not first["ordered"] and second["generation"] > first["generation"]  # Redis was lost in between.
            if first["owner"] != second["owner"] and second["from"] < (first["until"] or forever) and not lost:
                problems.append(f"seat {seat} was of {first['owner']} and of {second['owner']} at {second['from']}")

print("\n".join(problems) or f"{counted} events, {sum(map(len, had.values()))} times a seat was somebody's, never two people's at once.")
sys.exit(1 if problems else 0)
