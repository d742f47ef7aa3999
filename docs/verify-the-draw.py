#!/usr/bin/env python3
"""Recomputes a draw: python3 verify-the-draw.py URL EVENT_ID [PLACE_ID NUMBER]"""
import hashlib, json, sys, urllib.request

url, event = sys.argv[1:3]

def ask(query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["data"]

def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()

draw = ask("query($e:ID!){draw(eventId:$e){seedHash listHash entryCount seed}}", e=event)["draw"]
if not draw or not draw["seed"]:
    sys.exit("This event has not been drawn.")
places = []
while len(places) < draw["entryCount"]:
    page = ask("query($e:ID!,$o:Int!){drawEntries(eventId:$e,offset:$o)}", e=event, o=len(places))
    places += page["drawEntries"]
problems = []
if sha256(draw["seed"]) != draw["seedHash"]:
    problems.append("the seed is not the one that was promised")
if sha256("\n".join(sorted(places))) != draw["listHash"]:
    problems.append("the list is not the one that was published")
order = sorted(places, key=lambda place: (sha256(draw["seed"] + ":" + place), place))
if len(sys.argv) == 5 and order.index(sys.argv[3].split(".")[-1]) + 1 != int(sys.argv[4]):
    problems.append("your place was drawn another number")
print("\n".join(problems) or f"The draw of {len(places)} places is what it should be.")
sys.exit(1 if problems else 0)
