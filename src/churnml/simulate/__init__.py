"""A company whose true churn hazard and drivers are known, as canonical tables."""

from churnml.simulate.company import Company, simulate
from churnml.simulate.drivers import DRIVERS, Driver
from churnml.simulate.folder import write
from churnml.simulate.oracle import true_probability

__all__ = ["DRIVERS", "Company", "Driver", "simulate", "true_probability", "write"]
