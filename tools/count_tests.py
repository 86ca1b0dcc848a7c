#!/usr/bin/env python3
"""Counts test cases of a `bazel test` run.

--events FILE --out FILE: reads Bazel's build events, opens the XML of each test, writes the counts, prints what was skipped.
--sum FILE...: adds such counts up and prints the closing line; fails if a test failed or none ran.
"""

import argparse
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def count_xml(label, path, counts):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{label} {case.get('classname', '')}.{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"].append(name)
        elif skipped is not None or case.get("status") == "notrun":
            reason = (skipped.get("message", "") if skipped is not None else "not run").strip().replace("\n", " ")
            counts["skipped"].append(f"{name}: {reason}")
        else:
            counts["passed"] += 1


def count_events(path):
    counts = {"passed": 0, "failed": [], "skipped": []}
    for line in open(path, encoding="utf-8"):
        event = json.loads(line)
        if "testSummary" in event:
            label = event["id"]["testSummary"]["label"]
            status = event["testSummary"]["overallStatus"]
            if status not in ("PASSED", "FLAKY"):
                counts["failed"].append(f"{label}: {status}")
        if "testResult" in event:
            label = event["id"]["testResult"]["label"]
            for output in event["testResult"].get("testActionOutput", []):
                if output["name"] == "test.xml" and output.get("uri", "").startswith("file://"):
                    count_xml(label, urllib.parse.unquote(output["uri"][len("file://"):]), counts)
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name")
    parser.add_argument("--events")
    parser.add_argument("--out")
    parser.add_argument("--sum", nargs="+")
    flags = parser.parse_args()
    if flags.sum:
        total = [json.load(open(path, encoding="utf-8")) for path in flags.sum]
        passed, failed, skipped = (sum(count[i] for count in total) for i in range(3))
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed or not passed else 0
    counts = count_events(flags.events)
    for kind in ("skipped", "failed"):
        for name in counts[kind]:
            print(f"{kind}: {name}")
    with open(flags.out, "w", encoding="utf-8") as out:
        json.dump([counts["passed"], len(counts["failed"]), len(counts["skipped"])], out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
