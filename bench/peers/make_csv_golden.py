# SPDX-License-Identifier: Apache-2.0
"""Tables and what Python's csv module reads of them (strict, RFC 4180), without blanks around cells and empty rows.

Half are written by csv.writer in its dialects, half are random characters that csv.reader takes as a table. Control
characters part the file: FS after the ending and the text, GS after a table, RS after a row, US after a cell.
"""

import argparse
import csv
import io
import random


def read(text, delimiter):
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = [[cell.replace("\r\n", "\n").replace("\r", "\n").strip() for cell in row] for row in rows]
    return [row for row in rows if any(row)]


def usable(rows):
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return False
    names = [name.lower() for name in rows[0] if name]
    return len(set(names)) == len(names)


def written(chance, delimiter):
    pieces = ["a", "B", "7", "é", "日本", ",", "\t", '"', " ", "'", "\n", ";", "cat"]
    cell = lambda: "".join(chance.choices(pieces, k=chance.randrange(5)))
    out = io.StringIO(newline="")
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=chance.choice(["\n", "\r\n"]))
    columns = 2 + chance.randrange(3)
    writer.writerow([f"c{i}" for i in range(columns)])
    for _ in range(1 + chance.randrange(4)):
        writer.writerow([cell() for _ in range(columns)])
    return out.getvalue()


def drawn(chance, delimiter):
    pieces = ["a", "b", "c", "1", delimiter, delimiter, '"', '""', "\n", "\r\n", "é"]
    return "".join(chance.choices(pieces, k=6 + chance.randrange(12)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    out = parser.parse_args().out
    chance = random.Random(21)
    tables = []
    while len(tables) < 200:
        delimiter, ending = chance.choice([(",", "csv"), ("\t", "tsv")])
        text = (written if len(tables) % 2 == 0 else drawn)(chance, delimiter)
        try:
            rows = read(text, delimiter)
        except csv.Error:
            continue
        if usable(rows):
            cells = "\x1e".join("\x1f".join(row) for row in rows)
            tables.append(f"{ending}\x1c{text}\x1c{cells}\x1d")
    with open(out, "w", encoding="utf-8", newline="") as file:
        file.write("".join(tables))


if __name__ == "__main__":
    main()
