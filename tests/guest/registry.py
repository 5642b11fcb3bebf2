# SPDX-License-Identifier: LGPL-2.1-or-later
"""registry.py - the list of tests

    @test("what it shows")                      def it(lab): ...
    @test("what it shows", modes=MODES)         def it(lab, mode): ...

A test of several modes is one test for each, and all of one mode run together,
so that its guest is booted once.
"""
import lab as parts

MODES = ("external", "internal")
_tests = []


class Test:
    def __init__(self, name, function, mode):
        self.name = "%s: %s" % (mode, name) if mode else name
        self.function, self.mode = function, mode

    def call(self, lab):
        if self.mode:
            self.function(lab, self.mode)
        else:
            self.function(lab)


def test(name, modes=None):
    def add(function):
        for mode in modes or (None,):
            _tests.append(Test(name, function, mode))
        return function
    return add


def ordered():
    order = {m: i for i, m in enumerate((*MODES, None))}
    return sorted(_tests, key=lambda t: order[t.mode])


def at_end(lab):
    """Stop all; true when that was clean."""
    bad = lab.stop_programs()
    try:
        parts.until(10, "the guards end after their agents", lambda: not lab.guards())
    except parts.Failure as e:
        bad.append(str(e))
    for path, text in lab.new_reports():
        bad.append("%s:\n%s" % (path, text))
    for line in bad:
        parts.say("%s", line)
    return not bad
