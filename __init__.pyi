from .analysis.run import Run as Run
from .analysis.run import RunFolderError as RunFolderError
from .runner import compare as compare
from .runner import load as load
from .runner import run as run
from .scenarios.faults import ScenarioError as ScenarioError
from .scenarios.registry import register as register
from .sim.schemes.check import check_scheme as check_scheme
