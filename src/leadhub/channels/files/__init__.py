"""Channel `import`: files of leads, read row by row. Nothing is posted to it; `pipeline.importing` brings its rows."""
