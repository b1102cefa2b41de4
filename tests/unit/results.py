"""Runs a module of unittest and prints `ok NAME`, `FAIL NAME` or `SKIP NAME: why` for each test, as tests/run.py counts them."""
import sys
import unittest


class Result(unittest.TestResult):
    def line(self, word, test, text=""):
        print(f"{word} {test.id().split('.')[-1]}{text}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        print(self.failures[-1][1])
        self.line("FAIL", test)

    def addError(self, test, error):
        super().addError(test, error)
        print(self.errors[-1][1])
        self.line("FAIL", test)

    def addSkip(self, test, reason):
        self.line("SKIP", test, f": {reason}")


def main(module):
    loader = unittest.TestLoader()
    if sys.argv[1:]:
        loader.testNamePatterns = ["*" + name for name in sys.argv[1:]]
    result = loader.loadTestsFromModule(module).run(Result())
    sys.exit(0 if result.wasSuccessful() else 1)
