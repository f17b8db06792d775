"""What LoL is compared with: pipelines that fuse the votes into a pseudolabel and train on that."""
