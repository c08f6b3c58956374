"""Our own stand-in for Amazon Bedrock: the edge of a service that cannot be had.

It speaks the control plane and Converse over HTTP, from botocore's own description of both: paths, patterns, ranges,
error codes and the shape of every answer come from there. S3 and IAM are moto's. Time is counted in requests, so that
a life cycle takes the same steps on every machine.

What it proves: the wire format, our state machine and our words. What it does not: that AWS accepts a job.
"""
