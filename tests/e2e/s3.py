"""What a test asks of a server of S3 through boto3: s3.py ENDPOINT COMMAND BUCKET ..."""

import collections
import concurrent.futures
import json
import pathlib
import sys

import boto3
import botocore.config

endpoint, command, bucket, *rest = sys.argv[1:]
config = botocore.config.Config(s3={"addressing_style": "path"})
s3 = boto3.client("s3", endpoint_url=endpoint, config=config)


def objects(prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found for page in pages for found in page.get("Contents", [])]


if command == "make-bucket":
    s3.create_bucket(Bucket=bucket)
elif command == "objects":
    for found in objects():
        print(json.dumps({"key": found["Key"], "size": found["Size"]}))
elif command == "unfinished":
    # MinIO lists those of one key alone.
    for upload in s3.list_multipart_uploads(Bucket=bucket, Prefix=rest[0]).get("Uploads", []):
        print(json.dumps(upload["UploadId"]))
elif command == "leave-unfinished":
    upload = s3.create_multipart_upload(Bucket=bucket, Key=rest[0])
    s3.upload_part(
        Bucket=bucket, Key=rest[0], UploadId=upload["UploadId"], PartNumber=1, Body=b"x"
    )
elif command == "put":
    s3.put_object(Bucket=bucket, Key=rest[0], Body=rest[1].encode())
elif command == "put-many":
    def put(number):
        s3.put_object(Bucket=bucket, Key=f"{rest[0]}{number:05}", Body=b"x")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(int(rest[1]))))
elif command == "get":
    s3.download_file(bucket, rest[0], rest[1])
elif command == "download":
    for found in objects(rest[0]):
        file = pathlib.Path(rest[1]) / found["Key"][len(rest[0]) :].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, found["Key"], str(file))
elif command == "compare":
    # The rows of a folder's files beside those of the objects, in whatever order.
    expected, found, torn = collections.Counter(), collections.Counter(), []
    for file in pathlib.Path(rest[1]).iterdir():
        expected.update(file.read_bytes().splitlines())
    for told in objects(rest[0]):
        body = s3.get_object(Bucket=bucket, Key=told["Key"])["Body"].read()
        if not body.endswith(b"\n"):
            torn.append(told["Key"])
        found.update(body.splitlines())
    print(json.dumps({
        "expected": expected.total(),
        "found": found.total(),
        "missing": (expected - found).total(),
        "too_many": (found - expected).total(),
        "torn": torn,
    }))
else:
    sys.exit(f"no command {command}")
